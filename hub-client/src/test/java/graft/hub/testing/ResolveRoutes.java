package graft.hub.testing;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.util.zip.GZIPOutputStream;

/** Files of a revision: small ones from the hub itself, large ones by redirect to the CDN. */
final class ResolveRoutes {
    private final FakeHub hub;

    ResolveRoutes(FakeHub hub) {
        this.hub = hub;
    }

    /** {@code <owner>/<name>/resolve/<revision>/<path>}: always a redirect, which has the facts. */
    Response file(Request request, HubRoutes.Place place) throws IOException, HubError {
        place.access().mustDownload(place.repo());
        String commit = place.commit();
        FakeRepo.Stored file = find(place.repo(), commit, place.path());
        String etag = file.lfs().map(LfsPointer::sha256).orElse(file.oid());
        boolean large = file.lfs().isPresent();
        URI location = large ? signed(place.repo(), file) : cache(place.repo(), commit, file);
        return Response.text(
                        large ? 302 : 307,
                        "%s. Redirecting to %s"
                                .formatted(large ? "Found" : "Temporary Redirect", location))
                .header("Location", location.toString())
                .header("Accept-Ranges", "bytes")
                .header("X-Repo-Commit", commit)
                .header("X-Linked-Size", Long.toString(file.size()))
                .header("X-Linked-ETag", "\"%s\"".formatted(etag));
    }

    private URI signed(FakeRepo repo, FakeRepo.Stored file) {
        String path = "/repos/%s/%s".formatted(repo.id(), file.lfs().orElseThrow().sha256());
        String name = "filename=" + InfoRoutes.encode(file.path()) + "&";
        return hub.signatures().sign(hub.cdn(), "GET", path, name);
    }

    /** The real Hub sends small files by a second, cacheable address; a relative redirect. */
    private static URI cache(FakeRepo repo, String commit, FakeRepo.Stored file) {
        String path = InfoRoutes.encode(file.path());
        return URI.create(
                "/api/resolve-cache/models/%s/%s/%s?etag=%%22%s%%22"
                        .formatted(repo.id(), commit, path, file.oid()));
    }

    /** {@code <owner>/<name>/<commit>/<path>} below the cache. */
    Response cached(Request request, HubRoutes.Place place) throws IOException, HubError {
        place.access().mustDownload(place.repo());
        String commit = place.verb();
        String path = String.join("/", place.rest().subList(1, place.rest().size()));
        FakeRepo.Stored file = find(place.repo(), commit, path);
        String etag = "\"%s\"".formatted(file.oid());
        Response.Body body = place.repo().body(file);
        String coding = request.header("Accept-Encoding");
        boolean compress =
                coding != null && coding.contains("gzip") && request.header("Range") == null;
        Response response =
                compress
                        // As the real one does: the length of the file is then nowhere.
                        ? Response.of(200)
                                .header("Content-Encoding", "gzip")
                                .header("ETag", "W/" + etag)
                                .body(gzip(body))
                        : Response.ranged(request, body, etag);
        return response.header("X-Repo-Commit", commit)
                .header("Content-Type", "text/plain; charset=utf-8");
    }

    private static Response.Body gzip(Response.Body body) throws IOException {
        var out = new ByteArrayOutputStream();
        try (var in = body.open(0);
                var gzip = new GZIPOutputStream(out)) {
            in.transferTo(gzip);
        }
        return Response.Body.of(out.toByteArray());
    }

    private static FakeRepo.Stored find(FakeRepo repo, String commit, String path)
            throws IOException, HubError {
        return repo.file(commit, path).orElseThrow(() -> HubError.noEntry(commit));
    }
}
