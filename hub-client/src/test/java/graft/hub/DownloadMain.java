package graft.hub;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * Downloads one file in a process of its own, to be killed. After every step it prints how many
 * bytes it found at the start and how many it moved; unbuffered, so that nothing printed is lost.
 */
final class DownloadMain {
    private static final FileOutputStream OUT = new FileOutputStream(FileDescriptor.out);
    private static long found;
    private static long moved;

    private DownloadMain() {}

    /** Repository, file, segment length; all else comes from the environment. */
    public static void main(String[] arguments) throws IOException {
        HubOptions options =
                HubOptions.fromEnvironment().withSegmentBytes(Integer.parseInt(arguments[2]));
        try (var client = new HubClient(options, DownloadMain::heard)) {
            Snapshot snapshot = client.snapshot(RepoRef.parse(arguments[0]).orElseThrow());
            var file = FileFilter.names(List.of(arguments[1]));
            client.download(DownloadRequest.of(snapshot, file));
        }
        // The JVM waits 0.3 s for its pollers of virtual threads' sockets before it ends.
        if (Thread.getAllStackTraces().keySet().stream()
                .anyMatch(thread -> thread.getName().endsWith("Poller"))) {
            throw new IllegalStateException("sockets of virtual threads");
        }
    }

    private static synchronized void heard(HubEvent event) {
        switch (event) {
            case HubEvent.Started started -> found = started.resumedBytes();
            case HubEvent.Moved step -> moved += step.bytes();
            case HubEvent.Restarted _ -> throw new IllegalStateException("began anew");
            default -> {
                return;
            }
        }
        try {
            OUT.write("%d %d%n".formatted(found, moved).getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
