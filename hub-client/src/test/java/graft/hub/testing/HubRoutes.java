package graft.hub.testing;

import java.io.IOException;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;

/** The first origin: finds the repository, checks who may, and hands on to the routes. */
final class HubRoutes {
    /** Where a path names a repository, its parts. */
    record Place(FakeRepo repo, Access access, List<String> rest) {
        /** The first part of the rest, or the empty text. */
        String verb() {
            return rest.isEmpty() ? "" : rest.getFirst();
        }

        /** The revision after the verb; {@code refs/pr/1} may come as one part or as three. */
        String revision() {
            if (rest.size() > 3 && rest.get(1).equals("refs")) {
                return String.join("/", rest.subList(1, 4));
            }
            return rest.size() > 1 ? rest.get(1) : "main";
        }

        /** What follows the revision, as one path. */
        String path() {
            int from = rest.size() > 3 && rest.get(1).equals("refs") ? 4 : 2;
            return String.join("/", rest.subList(Math.min(from, rest.size()), rest.size()));
        }

        String commit() throws IOException, HubError {
            return repo.head(revision())
                    .orElseThrow(() ->
                            new HubError(404, "RevisionNotFound", "Invalid rev id: " + revision()));
        }
    }

    private final FakeHub hub;
    private final InfoRoutes info;
    private final ResolveRoutes resolve;
    private final LfsRoutes lfs;
    private final CommitRoutes commit;
    private final AtomicLong apiCalls = new AtomicLong();
    private final AtomicLong resolveCalls = new AtomicLong();
    private final AtomicLong requests = new AtomicLong();

    HubRoutes(FakeHub hub, FakeHub.Options options) {
        this.hub = hub;
        info = new InfoRoutes(hub, options.pageSize);
        resolve = new ResolveRoutes(hub);
        lfs = new LfsRoutes(hub, options);
        commit = new CommitRoutes(hub);
    }

    Response handle(Request request) throws IOException {
        boolean api = request.path().getFirst().equals("api");
        Response response;
        try {
            response = api ? api(request, request.path()) : files(request, request.path());
        } catch (HubError e) {
            response = e.response();
        }
        String id = "Root=1-%08x".formatted(requests.incrementAndGet());
        return rateLimit(api, response.header("X-Request-Id", id));
    }

    /** Every answer says how much of the bucket is left; this hub itself never refuses. */
    private Response rateLimit(boolean api, Response response) {
        if (response.headers().containsKey("RateLimit")) {
            return response;
        }
        String bucket = api ? "api" : "resolvers";
        long quota = api ? 1000 : 5000;
        long used = (api ? apiCalls : resolveCalls).incrementAndGet();
        long left = Math.max(1, quota - used);
        return response.header("RateLimit", "\"%s\";r=%d;t=300".formatted(bucket, left))
                .header(
                        "RateLimit-Policy",
                        "\"fixed window\";\"%s\";q=%d;w=300".formatted(bucket, quota));
    }

    private Response api(Request request, List<String> path) throws IOException, HubError {
        Access access = Access.of(request);
        String what = path.size() > 1 ? path.get(1) : "";
        if (what.equals("models") && path.size() >= 4) {
            return model(request, path);
        }
        if (what.equals("resolve-cache") && path.size() >= 7) {
            Place place =
                    place(request, path.subList(3, path.size()), path.get(3) + "/" + path.get(4));
            // .../<owner>/<name>/<commit>/<path>
            return resolve.cached(request, place);
        }
        return switch (String.join("/", path.subList(1, path.size()))) {
            case "whoami-v2" -> info.whoami(access);
            case "validate-yaml" -> commit.validateCard(request);
            case "repos/create" -> commit.create(request, access);
            default -> throw HubError.notFound();
        };
    }

    private Response model(Request request, List<String> path) throws IOException, HubError {
        Place place = place(request, path.subList(2, path.size()), path.get(2) + "/" + path.get(3));
        String verb = request.method() + " " + place.verb();
        return switch (verb) {
            case "GET ", "GET revision", "HEAD ", "HEAD revision" -> info.model(request, place);
            case "GET tree" -> info.tree(request, place);
            case "POST paths-info" -> info.paths(request, place);
            case "GET refs" -> info.refs(place);
            case "GET commits" -> info.commits(place);
            case "GET auth-check" -> info.authCheck(place);
            case "POST preupload" -> commit.preupload(request, place);
            case "POST commit" -> commit.commit(request, place);
            case "POST branch", "POST tag" -> commit.label(request, place);
            default -> throw HubError.notFound();
        };
    }

    private Response files(Request request, List<String> path) throws IOException, HubError {
        if (path.size() < 3) {
            throw HubError.notFound();
        }
        String id = path.get(0) + "/" + path.get(1).replaceFirst("\\.git$", "");
        if (path.get(1).endsWith(".git")) {
            String rest = String.join("/", path.subList(2, path.size()));
            if (path.size() == 6 && rest.startsWith("info/lfs/complete/")) {
                return lfs.complete(request, path.getLast()); // signed: asks for no token
            }
            Place place = place(request, path, id);
            if (rest.equals("info/lfs/objects/batch")) {
                return lfs.batch(request, place);
            }
            if (rest.equals("info/lfs/verify")) {
                return lfs.verify(request, place);
            }
            throw HubError.notFound();
        }
        if (path.get(2).equals("resolve") && path.size() >= 5 && request.reads()) {
            return resolve.file(request, place(request, path, id));
        }
        throw HubError.notFound();
    }

    /**
     * The repository that the first two parts name.
     *
     * @throws HubError also as a redirect for a renamed repository
     */
    private Place place(Request request, List<String> path, String id) throws HubError {
        Access access = Access.of(request);
        var renamed = hub.newName(id);
        if (renamed.isPresent()) {
            throw HubError.moved(request.call().target().replaceFirst(id, renamed.get()));
        }
        var repo = hub.find(id);
        access.mustSee(repo.isPresent(), repo.isPresent() && repo.get().isPrivate());
        return new Place(repo.orElseThrow(), access, path.subList(2, path.size()));
    }
}
