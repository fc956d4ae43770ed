package graft.hub.testing;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A {@link FakeHub} as a process, for tests in other languages and for a look by hand.
 *
 * <pre>
 * java -cp … graft.hub.testing.FakeHubMain FOLDER [--ports HUB,CDN] [org/name=LOCAL_FOLDER …]
 * </pre>
 *
 * Prints one line of JSON with the endpoint and the tokens, then serves until its standard input
 * ends or it is killed.
 */
public final class FakeHubMain {
    private FakeHubMain() {}

    public static void main(String[] arguments) throws IOException {
        if (arguments.length == 0) {
            System.err.println(
                    "usage: FakeHubMain FOLDER [--ports HUB,CDN] [org/name=LOCAL_FOLDER ...]");
            System.exit(2);
        }
        var options = new FakeHub.Options();
        int at = 1;
        if (arguments.length > 2 && arguments[1].equals("--ports")) {
            String[] ports = arguments[2].split(",", 2);
            options.ports(Integer.parseInt(ports[0]), Integer.parseInt(ports[1]));
            at = 3;
        }
        Path folder = Files.createDirectories(Path.of(arguments[0]));
        try (FakeHub hub = FakeHub.start(folder, options)) {
            for (; at < arguments.length; at++) {
                String[] pair = arguments[at].split("=", 2);
                hub.create(pair[0]).commitFolder("Add files", Path.of(pair[1]));
            }
            System.out.println(
                    InfoRoutes.object()
                            .put("endpoint", hub.endpoint().toString())
                            .put("cdn", hub.cdn().toString())
                            .put("writer", FakeHub.WRITER)
                            .put("reader", FakeHub.READER));
            while (System.in.read() >= 0) {
                // until whoever started it goes away
            }
        }
    }
}
