package graft.hub.testing;

import org.jspecify.annotations.Nullable;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.regex.Pattern;

import javax.net.ssl.SSLContext;

/**
 * A Hub on the loopback interface, for tests. Two origins: {@link #endpoint}, which clients take
 * for {@code HF_ENDPOINT}, and {@link #cdn}, where large files are. Everything is kept below one
 * folder, which the caller owns. Safe from any thread.
 *
 * <pre>{@code
 * try (FakeHub hub = FakeHub.start(folder)) {
 *     hub.create("acme/tiny").commit("add", Map.of("config.json", bytes));
 *     … HF_ENDPOINT = hub.endpoint(), HF_TOKEN = FakeHub.WRITER …
 * }
 * }</pre>
 */
public final class FakeHub implements AutoCloseable {
    /** A token that may do everything; clients expect the prefix. */
    public static final String WRITER = "hf_fakeHubWriterToken";

    /** A token that may read what is public and not gated. */
    public static final String READER = "hf_fakeHubReaderToken";

    private static final Pattern ID = Pattern.compile("[\\w.-]{1,96}/[\\w.-]{1,96}");

    /** What differs from the real Hub's habits; every default suits a quick test. */
    public static final class Options {
        int port;
        int cdnPort;
        @Nullable SSLContext tls;
        int pageSize = 1000;
        Duration urlLifetime = Duration.ofHours(1);
        long multipartAboveBytes = 32 << 20;
        long chunkBytes = 16 << 20;

        /** Fixed ports; 0, the default, takes any free one. */
        public Options ports(int hub, int cdn) {
            port = hub;
            cdnPort = cdn;
            return this;
        }

        /** Both origins speak TLS. */
        public Options tls(SSLContext context) {
            tls = context;
            return this;
        }

        /** Entries on one page of a tree listing. */
        public Options pageSize(int entries) {
            pageSize = entries;
            return this;
        }

        /** How long a signed URL of the CDN works. */
        public Options urlLifetime(Duration lifetime) {
            urlLifetime = lifetime;
            return this;
        }

        /** From what size uploads are in parts, and how large these are. */
        public Options multipart(long aboveBytes, long partBytes) {
            multipartAboveBytes = aboveBytes;
            chunkBytes = partBytes;
            return this;
        }
    }

    private final Path folder;
    private final LfsStore lfs;
    private final Map<String, FakeRepo> repos = new ConcurrentHashMap<>();
    private final Map<String, String> renamed = new ConcurrentHashMap<>();
    private final List<Served> served = new CopyOnWriteArrayList<>();
    private final Faults faults = new Faults();
    private final Signatures signatures;
    private final Listener hub;
    private final Listener cdn;

    private FakeHub(Path folder, Options options) throws IOException {
        this.folder = folder;
        lfs = new LfsStore(folder.resolve("lfs"));
        signatures = new Signatures(options.urlLifetime);
        // Two host names, because some clients compare hosts without their ports.
        hub = new Listener(Call.Origin.HUB, "127.0.0.1", options.port, options.tls);
        cdn = new Listener(Call.Origin.CDN, "localhost", options.cdnPort, options.tls);
        hub.start(new HubRoutes(this, options)::handle, faults, served::add);
        cdn.start(new CdnRoutes(lfs, signatures)::handle, faults, served::add);
    }

    public static FakeHub start(Path folder) throws IOException {
        return start(folder, new Options());
    }

    public static FakeHub start(Path folder, Options options) throws IOException {
        return new FakeHub(folder, options);
    }

    /** What {@code HF_ENDPOINT} should be; no trailing slash. */
    public URI endpoint() {
        return hub.uri();
    }

    /** Where large files are served and uploaded. */
    public URI cdn() {
        return cdn.uri();
    }

    /**
     * Creates a public model repository with the Hub's first commit, {@code .gitattributes}.
     *
     * @param id {@code owner/name}
     */
    public FakeRepo create(String id) throws IOException {
        if (!ID.matcher(id).matches() || repos.containsKey(id)) {
            throw new IOException("no free name for a repository: " + id);
        }
        var repo = new FakeRepo(id, folder.resolve("models").resolve(id + ".git"), lfs);
        repos.put(id, repo);
        return repo;
    }

    public FakeRepo repo(String id) {
        return find(id).orElseThrow(() -> new IllegalArgumentException("no repository " + id));
    }

    /** The old name answers with a redirect from now on. */
    public void rename(String id, String next) {
        FakeRepo repo = repo(id);
        repos.remove(id);
        repos.put(next, repo);
        renamed.put(id, next);
    }

    /** No signed URL handed out until now works any more. */
    public void expireUrls() {
        signatures.expireAll();
    }

    public Fault inject(Fault fault) {
        faults.add(fault);
        return fault;
    }

    /** Removes all faults. */
    public void heal() {
        faults.clear();
    }

    /** Every call answered until now, by the end of its answer. */
    public List<Served> served() {
        return List.copyOf(served);
    }

    public void forgetServed() {
        served.clear();
    }

    Optional<FakeRepo> find(String id) {
        return Optional.ofNullable(repos.get(id));
    }

    Optional<String> newName(String id) {
        return Optional.ofNullable(renamed.get(id));
    }

    LfsStore lfs() {
        return lfs;
    }

    Signatures signatures() {
        return signatures;
    }

    @Override
    public void close() {
        hub.close();
        cdn.close();
    }
}
