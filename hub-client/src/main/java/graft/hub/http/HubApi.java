package graft.hub.http;

import com.fasterxml.jackson.databind.JsonNode;

import graft.hub.HubException;
import graft.hub.HubFile;
import graft.hub.RepoRef;
import graft.hub.SafePath;

import okhttp3.HttpUrl;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The Hub's own addresses for reading: revisions, trees, files. Safe from any thread. */
public final class HubApi {
    private static final Pattern NEXT = Pattern.compile("<([^>]{1,4096})>\\s*;\\s*rel=\"?next\"?");
    private static final int MAX_FILES = 1_000_000;

    private final Wire wire;

    public HubApi(Wire wire) {
        this.wire = wire;
    }

    /** {@code /api/models/org/name} and further segments, each encoded as one. */
    public HttpUrl.Builder models(RepoRef ref, String... segments) {
        HttpUrl.Builder url =
                wire.endpoint()
                        .addPathSegments("api/models")
                        .addPathSegment(ref.owner())
                        .addPathSegment(ref.name());
        for (String segment : segments) {
            url.addPathSegment(segment);
        }
        return url;
    }

    /** Where the Hub describes, and serves or redirects to, a file of a commit. */
    public HttpUrl resolve(RepoRef ref, String commit, String path) {
        return wire.endpoint()
                .addPathSegment(ref.owner())
                .addPathSegment(ref.name())
                .addPathSegment("resolve")
                .addPathSegment(commit)
                .addPathSegments(encoded(path))
                .build();
    }

    /** Commit of the revision of {@code ref}, now. */
    public String commit(RepoRef ref, boolean patient) throws IOException {
        String revision = ref.revisionOrMain();
        Ask ask = Ask.api(ref.id() + "@" + revision, models(ref, "revision", revision).build());
        try (Answer answer = patient ? wire.send(ask) : impatient(ask)) {
            return Json.gitId(Json.parse(answer), "sha")
                    .orElseThrow(() -> broken(ask, "names no commit"));
        }
    }

    /** One try: somebody has another answer at hand. */
    private Answer impatient(Ask ask) throws IOException {
        Answer answer = wire.once(ask);
        if (answer.isSuccess()) {
            return answer;
        }
        throw Failures.of(answer);
    }

    /** The files of a commit in path order, over as many pages as it takes. */
    public List<HubFile> tree(RepoRef ref, String commit) throws IOException {
        List<HubFile> files = new ArrayList<>();
        Set<HttpUrl> seen = new HashSet<>();
        Optional<HttpUrl> page =
                Optional.of(
                        models(ref, "tree", commit)
                                .addQueryParameter("recursive", "true")
                                .addQueryParameter("expand", "false")
                                .build());
        while (page.isPresent()) {
            Ask ask = Ask.api(ref.id() + ": list of files", page.get());
            if (!seen.add(page.get()) || files.size() > MAX_FILES) {
                throw broken(ask, "does not end");
            }
            try (Answer answer = wire.send(ask)) {
                for (JsonNode entry : Json.parse(answer)) {
                    if (!entry.path("type").asText().equals("directory")) {
                        files.add(file(ask, entry));
                    }
                }
                page = next(answer);
            }
        }
        files.sort(Comparator.comparing(HubFile::path));
        checkNames(ref, files);
        return files;
    }

    private static HubFile file(Ask ask, JsonNode entry) throws HubException {
        String path = entry.path("path").asText("");
        Optional<String> problem = SafePath.problem(path);
        if (problem.isPresent()) {
            throw broken(ask, "has a path that " + problem.get());
        }
        JsonNode lfs = entry.path("lfs");
        long bytes = lfs.path("size").asLong(entry.path("size").asLong(-1));
        String sha256 = lfs.path("oid").asText("").replaceFirst("^sha256:", "");
        if (bytes < 0 || (lfs.isObject() && !Json.SHA256.matcher(sha256).matches())) {
            throw broken(ask, "has no size or hash for " + path);
        }
        return new HubFile(
                path,
                bytes,
                Json.gitId(entry, "oid"),
                lfs.isObject() ? Optional.of(sha256) : Optional.empty(),
                Json.sha256(entry, "xetHash"));
    }

    /** A name must be either a file or a folder, and once. */
    private static void checkNames(RepoRef ref, List<HubFile> files) throws HubException {
        Set<String> names = HashSet.newHashSet(files.size());
        for (HubFile file : files) {
            boolean twice = !names.add(file.path());
            for (int cut = file.path().lastIndexOf('/');
                    cut > 0 && !twice;
                    cut = file.path().lastIndexOf('/', cut - 1)) {
                twice = names.contains(file.path().substring(0, cut));
            }
            if (twice) {
                throw new HubException.Corrupted(
                        "%s: the list of files has '%s' twice".formatted(ref.id(), file.path()),
                        "check HF_ENDPOINT; the Hub itself sends no such list");
            }
        }
    }

    /** The next page, which must be the endpoint's own; an alternate endpoint may name the Hub. */
    private Optional<HttpUrl> next(Answer answer) throws HubException {
        Matcher link = NEXT.matcher(answer.header("Link").orElse(""));
        if (!link.find()) {
            return Optional.empty();
        }
        HttpUrl url = answer.url().resolve(link.group(1));
        if (url != null && url.host().equals("huggingface.co") && !wire.isEndpoint(url)) {
            url =
                    wire.endpoint()
                            .addEncodedPathSegments(url.encodedPath().substring(1))
                            .encodedQuery(url.encodedQuery())
                            .build();
        }
        if (url == null || !wire.isEndpoint(url)) {
            throw broken(answer.ask(), "goes on at another host");
        }
        return Optional.of(url);
    }

    private static HubException broken(Ask ask, String problem) {
        return new HubException.Corrupted(
                "%s: the server's answer %s".formatted(ask.what(), problem),
                "check HF_ENDPOINT; nothing was written");
    }

    /** OkHttp resolves {@code .} and {@code ..} in segments; checked paths have none. */
    private static String encoded(String path) {
        if (SafePath.problem(path).isPresent()) {
            throw new IllegalArgumentException("unsafe path");
        }
        return path;
    }
}
