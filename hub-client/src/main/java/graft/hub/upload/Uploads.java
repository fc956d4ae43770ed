package graft.hub.upload;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

import graft.hub.HubEvent;
import graft.hub.HubException;
import graft.hub.HubFile;
import graft.hub.HubListener;
import graft.hub.HubOptions;
import graft.hub.RepoRef;
import graft.hub.UploadRequest;
import graft.hub.Uploaded;
import graft.hub.http.Answer;
import graft.hub.http.Ask;
import graft.hub.http.Failures;
import graft.hub.http.HubApi;
import graft.hub.http.Json;
import graft.hub.http.Retries;
import graft.hub.http.Tasks;
import graft.hub.http.Wire;

import okhttp3.HttpUrl;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Uploads of one client, in the order of huggingface_hub: head, preupload, LFS content, commit.
 * Safe from any thread.
 */
public final class Uploads {
    private static final int MAX_PREUPLOAD_FILES = 256;

    /** Signed addresses expire, so no more are asked for than are used soon. */
    private static final int MAX_BATCH_FILES = 100;

    private static final int SAMPLE_BYTES = 512;
    private static final long MAX_IGNORE_BYTES = 1 << 20;

    private final Wire wire;
    private final HubApi api;
    private final HubOptions options;
    private final HubListener listener;

    public Uploads(Wire wire, HubApi api, HubOptions options, HubListener listener) {
        this.wire = wire;
        this.api = api;
        this.options = options;
        this.listener = listener;
    }

    /** See {@link graft.hub.HubClient#upload}. */
    public Uploaded run(UploadRequest request) throws IOException {
        List<LocalFile> files = LocalFiles.of(request);
        checkOnline(request.repo());
        RepoRef repo = request.repo();
        String head = head(request);
        if (request.parentCommit().isPresent() && !request.parentCommit().get().equals(head)) {
            throw moved(repo, head);
        }
        List<LocalFile> changed = changed(repo, head, files);
        int unchanged = files.size() - changed.size();
        var modes = modes(request, changed);
        changed.removeIf(file -> !modes.containsKey(file.path()));
        if (changed.isEmpty()) {
            return new Uploaded(head, page(repo, head), Optional.empty(), 0, unchanged, 0);
        }
        List<LocalFile> regular = new ArrayList<>();
        Map<LocalFile, String> lfs = new LinkedHashMap<>();
        for (LocalFile file : changed) {
            if (file.bytes() == 0 || "regular".equals(modes.get(file.path()))) {
                regular.add(file);
            } else {
                lfs.put(file, file.sha256());
            }
        }
        long sent = sendContent(repo, lfs);
        sent += regular.stream().mapToLong(LocalFile::bytes).sum();
        JsonNode done = commit(request, head, regular, lfs);
        String commit = done.path("commitOid").asText(head);
        return new Uploaded(
                commit,
                done.path("commitUrl").asText(page(repo, commit)),
                Optional.of(done.path("pullRequestUrl").asText("")).filter(u -> !u.isEmpty()),
                changed.size(),
                unchanged,
                sent);
    }

    private void checkOnline(RepoRef repo) throws HubException {
        if (options.offline()) {
            throw new HubException.Unreachable(
                    repo.id() + ": uploading needs the network, and this is offline mode",
                    "run it without --offline (HF_HUB_OFFLINE)");
        }
        if (options.token().isEmpty()) {
            throw new HubException.NotAllowed(
                    repo.id() + ": uploading needs a token",
                    "set HF_TOKEN to a token with write scope;"
                            + " see https://huggingface.co/settings/tokens");
        }
    }

    /** Head of the branch; creates the repository if there is none. */
    private String head(UploadRequest request) throws IOException {
        RepoRef repo = request.repo();
        try {
            return api.commit(repo, true);
        } catch (HubException.NotFound e) {
            create(request);
            return api.commit(repo, true);
        }
    }

    /** 409: somebody else created it, or it was there and only the revision was missing. */
    private void create(UploadRequest request) throws IOException {
        RepoRef repo = request.repo();
        ObjectNode body =
                Json.MAPPER
                        .createObjectNode()
                        .put("name", repo.name())
                        .put("organization", repo.owner());
        if (request.privateRepo()) {
            body.put("visibility", "private");
        }
        HttpUrl url = wire.endpoint().addPathSegments("api/repos/create").build();
        Ask ask = Ask.post(repo.id() + ": creating the repository", url, Json.body(body));
        try (Answer answer = wire.once(ask)) {
            if (!answer.isSuccess() && answer.status() != 409) {
                throw Failures.of(answer);
            }
        }
    }

    private List<LocalFile> changed(RepoRef repo, String head, List<LocalFile> files)
            throws IOException {
        Map<String, HubFile> remote = new HashMap<>();
        api.tree(repo, head).forEach(file -> remote.put(file.path(), file));
        List<LocalFile> changed = new ArrayList<>();
        for (LocalFile file : files) {
            HubFile there = remote.get(file.path());
            if (there == null || !file.equalsRemote(there)) {
                changed.add(file);
            }
        }
        return changed;
    }

    /** How each file is to be stored, {@code lfs} or {@code regular}; without the ignored ones. */
    private Map<String, String> modes(UploadRequest request, List<LocalFile> files)
            throws IOException {
        Map<String, String> modes = new HashMap<>();
        Optional<String> ignore = gitIgnore(request);
        for (int from = 0; from < files.size(); from += MAX_PREUPLOAD_FILES) {
            List<LocalFile> some =
                    files.subList(from, Math.min(files.size(), from + MAX_PREUPLOAD_FILES));
            ObjectNode body = Json.MAPPER.createObjectNode();
            ArrayNode list = body.putArray("files");
            for (LocalFile file : some) {
                list.addObject()
                        .put("path", file.path())
                        .put("sample", sample(file))
                        .put("size", file.bytes());
            }
            ignore.ifPresent(text -> body.put("gitIgnore", text));
            HttpUrl url = address(request, "preupload");
            Ask ask = Ask.post(request.repo().id() + ": preupload", url, Json.body(body));
            try (Answer answer = wire.send(ask)) {
                read(Json.parse(answer), modes);
            }
            for (LocalFile file : some) {
                if (!modes.containsKey(file.path())) {
                    throw new HubException.Corrupted(
                            ask.what() + ": the server does not say how to store " + file.path(),
                            "check HF_ENDPOINT; nothing was committed");
                }
            }
        }
        modes.values().removeIf("ignored"::equals);
        return modes;
    }

    private static void read(JsonNode answer, Map<String, String> modes) {
        for (JsonNode file : answer.path("files")) {
            String mode =
                    file.path("shouldIgnore").asBoolean()
                            ? "ignored"
                            : file.path("uploadMode").asText();
            if (List.of("lfs", "regular", "ignored").contains(mode)) {
                modes.put(file.path("path").asText(), mode);
            }
        }
    }

    private static Optional<String> gitIgnore(UploadRequest request) throws IOException {
        Path file = request.source().resolve(".gitignore");
        return Files.isRegularFile(file) && Files.size(file) <= MAX_IGNORE_BYTES
                ? Optional.of(Files.readString(file))
                : Optional.empty();
    }

    private static String sample(LocalFile file) throws IOException {
        try (InputStream bytes = Files.newInputStream(file.source())) {
            return Base64.getEncoder().encodeToString(bytes.readNBytes(SAMPLE_BYTES));
        }
    }

    /** Content that several files share is sent once. */
    private long sendContent(RepoRef repo, Map<LocalFile, String> lfs) throws IOException {
        Map<LocalFile, String> distinct = new LinkedHashMap<>(lfs);
        Set<String> seen = new HashSet<>();
        distinct.values().removeIf(sha256 -> !seen.add(sha256));
        long bytes = distinct.keySet().stream().mapToLong(LocalFile::bytes).sum();
        listener.on(new HubEvent.Planned(distinct.size(), bytes));
        var upload = new LfsUpload(wire, listener, repo);
        var sent = new AtomicLong();
        Map<LocalFile, String> some = new LinkedHashMap<>();
        for (var file : distinct.entrySet()) {
            some.put(file.getKey(), file.getValue());
            if (some.size() == MAX_BATCH_FILES) {
                send(upload, some, sent);
                some.clear();
            }
        }
        if (!some.isEmpty()) {
            send(upload, some, sent);
        }
        return sent.get();
    }

    private void send(LfsUpload upload, Map<LocalFile, String> files, AtomicLong sent)
            throws IOException {
        Map<String, JsonNode> instructions = upload.batch(files);
        Tasks tasks = wire.tasks();
        tasks.forkEach(
                files.entrySet(),
                options.maxWorkers(),
                file -> {
                    String sha256 = file.getValue();
                    JsonNode instruction = Objects.requireNonNull(instructions.get(sha256));
                    sent.addAndGet(upload.send(file.getKey(), sha256, instruction));
                });
        tasks.join();
    }

    /**
     * Sends the commit. It names its parent, so a second try cannot commit twice; when the answer
     * got lost, the head of the branch tells whether the first one arrived.
     */
    private JsonNode commit(
            UploadRequest request, String head, List<LocalFile> regular, Map<LocalFile, String> lfs)
            throws IOException {
        RepoRef repo = request.repo();
        Retries retries = wire.retries(repo.id() + ": commit");
        while (true) {
            var body = new CommitBody(request, head, regular, lfs);
            Ask ask = Ask.post(repo.id() + ": commit", address(request, "commit"), body);
            IOException lost;
            try (Answer answer = wire.once(ask)) {
                if (answer.isSuccess()) {
                    return Json.parse(answer);
                }
                if (!Retries.isTransient(answer.status())) {
                    throw Failures.of(answer);
                }
                lost = new IOException("HTTP " + answer.status());
            } catch (HubException e) {
                throw e;
            } catch (IOException e) {
                lost = e;
            }
            if (request.createPr()) {
                throw new HubException.Unreachable(
                        repo.id() + ": no answer to the pull request: " + lost.getMessage(),
                        "look on the Hub whether it was opened before you try again");
            }
            retries.after(lost);
            String now = api.commit(repo, true);
            if (!now.equals(head)) {
                return arrived(repo, now, regular, lfs);
            }
        }
    }

    /** Whether the new head is our commit: then it holds all that was sent. */
    private JsonNode arrived(
            RepoRef repo, String now, List<LocalFile> regular, Map<LocalFile, String> lfs)
            throws IOException {
        List<LocalFile> all = new ArrayList<>(regular);
        all.addAll(lfs.keySet());
        if (!changed(repo, now, all).isEmpty()) {
            throw moved(repo, now);
        }
        return Json.MAPPER.createObjectNode().put("commitOid", now);
    }

    private static HubException moved(RepoRef repo, String now) {
        return new HubException.Conflict(
                "%s: the branch moved to %s".formatted(repo, now),
                "look at what changed there, then run it again");
    }

    private HttpUrl address(UploadRequest request, String verb) {
        HttpUrl.Builder url = api.models(request.repo(), verb, request.repo().revisionOrMain());
        if (request.createPr()) {
            url.addQueryParameter("create_pr", "1");
        }
        return url.build();
    }

    private String page(RepoRef repo, String commit) {
        return "%s/%s/commit/%s".formatted(options.endpoint(), repo.id(), commit);
    }
}
