package graft.hub;

import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;

/**
 * How a {@link HubClient} works. A value; the environment variables of huggingface_hub set the
 * defaults, see {@link #from}.
 *
 * @param endpoint origin of the Hub, without a trailing slash; {@code HF_ENDPOINT}
 * @param token sent to the endpoint's own origin and nowhere else
 * @param cache folder of the cache; {@code HF_HUB_CACHE}
 * @param offline never use the network; {@code HF_HUB_OFFLINE}
 * @param maxWorkers requests at the same time, over all files
 * @param etagTimeout for an answer about a file; {@code HF_HUB_ETAG_TIMEOUT}
 * @param downloadTimeout for the next byte of a body; {@code HF_HUB_DOWNLOAD_TIMEOUT}
 * @param deadline longest time that one request may spend with retries and without a new byte
 * @param segmentBytes length of one ranged request
 * @param symlinks whether snapshots may link to blobs; {@code HF_HUB_DISABLE_SYMLINKS}
 * @param userAgent value of the {@code User-Agent} header
 */
public record HubOptions(
        URI endpoint,
        Optional<Token> token,
        Path cache,
        boolean offline,
        int maxWorkers,
        Duration etagTimeout,
        Duration downloadTimeout,
        Duration deadline,
        int segmentBytes,
        boolean symlinks,
        String userAgent) {
    /** Requests at the same time, as huggingface_hub. */
    public static final int DEFAULT_WORKERS = 8;

    public static final int DEFAULT_SEGMENT_BYTES = 64 << 20;

    public HubOptions {
        if (maxWorkers < 1 || maxWorkers > 256) {
            throw new IllegalArgumentException(
                    "max-workers %d outside 1..256".formatted(maxWorkers));
        }
        if (segmentBytes < 1) {
            throw new IllegalArgumentException("segment of %d bytes".formatted(segmentBytes));
        }
        String scheme = String.valueOf(endpoint.getScheme());
        if (!(scheme.equals("https") || scheme.equals("http")) || endpoint.getHost() == null) {
            throw new IllegalArgumentException(
                    "endpoint '%s' is no http(s) URL".formatted(endpoint));
        }
        if (endpoint.getUserInfo() != null) {
            throw new IllegalArgumentException("the endpoint must not hold a password");
        }
    }

    /** From this process's environment. */
    public static HubOptions fromEnvironment() {
        return HubEnvironment.options(System.getenv());
    }

    /**
     * From {@code environment}: see {@link HubEnvironment} for every variable. Reads the token file
     * if no variable holds a token.
     *
     * @throws IllegalArgumentException if a variable's value is unusable; the message names it
     */
    public static HubOptions from(Map<String, String> environment) {
        return HubEnvironment.options(environment);
    }

    public HubOptions withEndpoint(URI other) {
        return new HubOptions(
                other,
                token,
                cache,
                offline,
                maxWorkers,
                etagTimeout,
                downloadTimeout,
                deadline,
                segmentBytes,
                symlinks,
                userAgent);
    }

    public HubOptions withToken(Optional<Token> other) {
        return new HubOptions(
                endpoint,
                other,
                cache,
                offline,
                maxWorkers,
                etagTimeout,
                downloadTimeout,
                deadline,
                segmentBytes,
                symlinks,
                userAgent);
    }

    public HubOptions withCache(Path other) {
        return new HubOptions(
                endpoint,
                token,
                other,
                offline,
                maxWorkers,
                etagTimeout,
                downloadTimeout,
                deadline,
                segmentBytes,
                symlinks,
                userAgent);
    }

    public HubOptions withOffline(boolean other) {
        return new HubOptions(
                endpoint,
                token,
                cache,
                other,
                maxWorkers,
                etagTimeout,
                downloadTimeout,
                deadline,
                segmentBytes,
                symlinks,
                userAgent);
    }

    public HubOptions withMaxWorkers(int other) {
        return new HubOptions(
                endpoint,
                token,
                cache,
                offline,
                other,
                etagTimeout,
                downloadTimeout,
                deadline,
                segmentBytes,
                symlinks,
                userAgent);
    }

    public HubOptions withTimeouts(Duration etag, Duration download, Duration total) {
        return new HubOptions(
                endpoint,
                token,
                cache,
                offline,
                maxWorkers,
                etag,
                download,
                total,
                segmentBytes,
                symlinks,
                userAgent);
    }

    public HubOptions withSegmentBytes(int other) {
        return new HubOptions(
                endpoint,
                token,
                cache,
                offline,
                maxWorkers,
                etagTimeout,
                downloadTimeout,
                deadline,
                other,
                symlinks,
                userAgent);
    }

    public HubOptions withSymlinks(boolean other) {
        return new HubOptions(
                endpoint,
                token,
                cache,
                offline,
                maxWorkers,
                etagTimeout,
                downloadTimeout,
                deadline,
                segmentBytes,
                other,
                userAgent);
    }
}
