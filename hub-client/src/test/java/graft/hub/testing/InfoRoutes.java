package graft.hub.testing;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

import java.io.IOException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;

/** What the API says about a repository and its files. */
final class InfoRoutes {
    private final FakeHub hub;
    private final int pageSize;

    InfoRoutes(FakeHub hub, int pageSize) {
        this.hub = hub;
        this.pageSize = pageSize;
    }

    Response whoami(Access access) throws HubError {
        if (!access.known()) {
            throw new HubError(401, "", "Invalid username or password.");
        }
        ObjectNode who =
                object().put("type", "user").put("name", access.writes() ? "writer" : "reader");
        who.putArray("orgs");
        String role = access.writes() ? "write" : "read";
        who.putObject("auth").putObject("accessToken").put("displayName", role).put("role", role);
        return Response.json(who);
    }

    Response authCheck(HubRoutes.Place place) throws HubError {
        place.access().mustDownload(place.repo());
        return Response.json(object());
    }

    Response model(Request request, HubRoutes.Place place) throws IOException, HubError {
        FakeRepo repo = place.repo();
        String commit = place.commit();
        String time = repo.git().readCommit(commit).time().toString();
        ObjectNode model =
                object().put("_id", "0123456789abcdef01234567")
                        .put("id", repo.id())
                        .put("modelId", repo.id())
                        .put("sha", commit)
                        .put("private", repo.isPrivate())
                        .put("disabled", false)
                        .put("downloads", 0)
                        .put("likes", 0)
                        .put("createdAt", "2026-01-01T00:00:00.000Z")
                        .put("lastModified", time);
        if (repo.isGated()) {
            model.put("gated", "manual");
        } else {
            model.put("gated", false);
        }
        model.putArray("tags");
        ArrayNode siblings = model.putArray("siblings");
        for (FakeRepo.Stored file : repo.stored(commit)) {
            ObjectNode sibling = siblings.addObject().put("rfilename", file.path());
            if (request.flag("blobs")) {
                sibling.put("size", file.size()).put("blobId", file.oid());
                file.lfs()
                        .ifPresent(lfs ->
                                sibling.putObject("lfs")
                                        .put("sha256", lfs.sha256())
                                        .put("size", lfs.size())
                                        .put("pointerSize", file.pointerSize()));
            }
        }
        return Response.json(model);
    }

    Response tree(Request request, HubRoutes.Place place) throws IOException, HubError {
        String commit = place.commit();
        String folder = place.path();
        String prefix = folder.isEmpty() ? "" : folder + "/";
        List<GitStore.Entry> all = place.repo().entries(commit);
        if (!folder.isEmpty()
                && all.stream().noneMatch(e -> e.directory() && e.path().equals(folder))) {
            throw HubError.noEntry(commit);
        }
        boolean recursive = request.flag("recursive");
        List<GitStore.Entry> wanted =
                all.stream()
                        .filter(e -> e.path().startsWith(prefix))
                        .filter(e -> recursive || e.path().indexOf('/', prefix.length()) < 0)
                        .toList();
        boolean expand = request.flag("expand");
        int size = expand ? Math.min(50, pageSize) : pageSize;
        String cursor = request.parameter("cursor");
        int from = cursor.matches("[0-9]{1,9}") ? Integer.parseInt(cursor) : 0;
        int to = Math.min(wanted.size(), from + size);
        ArrayNode page = Request.JSON.createArrayNode();
        for (GitStore.Entry entry : wanted.subList(Math.min(from, to), to)) {
            page.add(describe(place.repo(), commit, entry, expand));
        }
        Response response = Response.json(page);
        if (to == wanted.size()) {
            return response;
        }
        String path = request.call().target().replaceFirst("\\?.*", "");
        String url =
                "%s%s?recursive=%s&expand=%s&cursor=%d"
                        .formatted(hub.endpoint(), path, recursive, expand, to);
        return response.header("Link", "<%s>; rel=\"next\"".formatted(url));
    }

    Response paths(Request request, HubRoutes.Place place) throws IOException, HubError {
        String commit = place.commit();
        List<String> paths = request.paths();
        ArrayNode found = Request.JSON.createArrayNode();
        for (GitStore.Entry entry : place.repo().entries(commit)) {
            if (paths.contains(entry.path())) {
                found.add(describe(place.repo(), commit, entry, true));
            }
        }
        return Response.json(found);
    }

    private static ObjectNode describe(
            FakeRepo repo, String commit, GitStore.Entry entry, boolean expand) throws IOException {
        ObjectNode node =
                object().put("type", entry.directory() ? "directory" : "file")
                        .put("oid", entry.oid())
                        .put("size", 0L)
                        .put("path", entry.path());
        if (!entry.directory()) {
            FakeRepo.Stored file = repo.stored(entry);
            node.put("size", file.size());
            file.lfs()
                    .ifPresent(lfs ->
                            node.putObject("lfs")
                                    .put("oid", lfs.sha256())
                                    .put("size", lfs.size())
                                    .put("pointerSize", file.pointerSize()));
        }
        if (expand) {
            GitStore.Commit last = repo.lastChange(commit, entry.path());
            node.putObject("lastCommit")
                    .put("id", last.oid())
                    .put("title", last.title())
                    .put("date", last.time().toString().replace("Z", ".000Z"));
        }
        return node;
    }

    Response refs(HubRoutes.Place place) throws IOException {
        ObjectNode refs = object();
        Map<String, ArrayNode> kinds =
                Map.of(
                        "refs/heads/", refs.putArray("branches"),
                        "refs/tags/", refs.putArray("tags"),
                        "refs/pr/", refs.putArray("pullRequests"));
        refs.putArray("converts");
        place.repo()
                .git()
                .refs()
                .forEach((ref, commit) ->
                        kinds.forEach((prefix, list) -> {
                            if (ref.startsWith(prefix)) {
                                list.addObject()
                                        .put("name", ref.substring(prefix.length()))
                                        .put("ref", ref)
                                        .put("targetCommit", commit);
                            }
                        }));
        return Response.json(refs);
    }

    Response commits(HubRoutes.Place place) throws IOException, HubError {
        ArrayNode commits = Request.JSON.createArrayNode();
        for (GitStore.Commit commit : place.repo().history(place.commit())) {
            ObjectNode node =
                    commits.addObject()
                            .put("id", commit.oid())
                            .put("title", commit.title())
                            .put("message", "")
                            .put("date", commit.time().toString().replace("Z", ".000Z"));
            node.putArray("authors").addObject().put("user", commit.author());
        }
        return Response.json(commits);
    }

    static ObjectNode object() {
        return Request.JSON.createObjectNode();
    }

    /** One path, encoded but for its slashes. */
    static String encode(String path) {
        return URLEncoder.encode(path, StandardCharsets.UTF_8)
                .replace("+", "%20")
                .replace("%2F", "/");
    }
}
