package graft.hub.download;

import graft.hub.HubException;
import graft.hub.HubFile;
import graft.hub.Snapshot;
import graft.hub.cache.RepoFolder;
import graft.hub.http.Answer;
import graft.hub.http.Ask;
import graft.hub.http.HubApi;
import graft.hub.http.Wire;

import okhttp3.HttpUrl;

import org.jspecify.annotations.Nullable;

import java.io.IOException;
import java.util.Optional;

/**
 * Where the bytes of one file are. LFS content lies behind a signed address that the Hub names and
 * that expires; other files are at the Hub itself. Safe from any thread.
 */
final class Origin {
    /** A fresh signed address that is refused as often as this is not merely out of date. */
    static final int MAX_RENEWALS = 3;

    private final Wire wire;
    private final HttpUrl resolve;
    private final Snapshot snapshot;
    private final HubFile file;
    private final String what;
    private @Nullable HttpUrl place;

    Origin(Wire wire, HubApi api, Snapshot snapshot, HubFile file) {
        this.wire = wire;
        this.resolve = api.resolve(snapshot.ref(), snapshot.commit(), file.path());
        this.snapshot = snapshot;
        this.file = file;
        this.what = snapshot.ref().id() + ": " + file.path();
    }

    /** Names the file in messages. */
    String what() {
        return what;
    }

    /** The address to read from. */
    synchronized HttpUrl place() throws IOException {
        if (place == null) {
            place = file.sha256().isPresent() ? ask() : resolve;
        }
        return place;
    }

    /** {@code stale} is refused now: asks the Hub for another, unless somebody just did. */
    synchronized void renew(HttpUrl stale) throws IOException {
        if (stale.equals(place)) {
            place = ask();
        }
    }

    /** Whether {@code answer} may only mean that {@code url}, a signed address, has expired. */
    boolean mayHaveExpired(Answer answer, HttpUrl url) {
        return switch (answer.status()) {
            case 400, 401, 403, 410 -> !url.equals(resolve);
            default -> false;
        };
    }

    private HttpUrl ask() throws IOException {
        try (Answer answer = wire.send(Ask.metadata(what, resolve))) {
            if (answer.header("X-Repo-Commit").isEmpty()) {
                throw corrupted("the server names no commit (X-Repo-Commit)");
            }
            check(answer);
            return answer.place();
        }
    }

    /**
     * Compares what the Hub says of the file with what the commit's list said.
     *
     * @throws HubException.Corrupted if commit, ETag or size differ, or the ETag looks like a path
     */
    void check(Answer answer) throws HubException {
        if (!wire.isEndpoint(answer.url()) && answer.described("X-Linked-Etag").isEmpty()) {
            return; // a CDN has ETags of its own; the hash decides
        }
        Optional<String> commit = answer.described("X-Repo-Commit");
        if (commit.isPresent() && !commit.get().equals(snapshot.commit())) {
            throw corrupted("the server answers for another commit");
        }
        Optional<String> etag =
                answer.described("X-Linked-Etag").or(() -> answer.described("ETag"));
        if (etag.isPresent()) {
            checkEtag(etag.get());
        }
        Optional<String> size = answer.described("X-Linked-Size");
        if (size.isPresent() && !size.get().equals(Long.toString(file.bytes()))) {
            throw corrupted(
                    "the server announces another size than the %d bytes of the list"
                            .formatted(file.bytes()));
        }
    }

    /** An ETag never becomes a path; but one that tries to is not from the Hub. */
    private void checkEtag(String header) throws HubException {
        String etag = header.replaceFirst("^W/", "").replace("\"", "");
        if (etag.contains("/") || etag.contains("\\") || etag.contains("..")) {
            throw corrupted("the server sent an ETag that looks like a path");
        }
        boolean ofHub = RepoFolder.isEtag(etag);
        boolean known = file.etag().isPresent() && file.etag().get().length() == etag.length();
        if (ofHub && known && !file.etag().get().equals(etag)) {
            throw corrupted("the server announces another hash than the list of files");
        }
    }

    HubException corrupted(String problem) {
        return new HubException.Corrupted(
                what + ": " + problem,
                "nothing was left under its final name; check HF_ENDPOINT and any proxy in between");
    }
}
