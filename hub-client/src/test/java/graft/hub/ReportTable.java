package graft.hub;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A table that tests fill and {@code docs/hub-faults.md} shows. Written to {@code target/}; the
 * document must hold the same, so that it never says what the tests did not see.
 */
final class ReportTable {
    private static final Path ROOT = Path.of(System.getProperty("graft.root"));

    private final String head;
    private final AtomicInteger expected = new AtomicInteger();
    private final SortedMap<Integer, String> rows = new TreeMap<>();

    ReportTable(String... columns) {
        head =
                row(columns)
                        + row(
                                java.util.Collections.nCopies(columns.length, "---")
                                        .toArray(String[]::new));
    }

    private static String row(String... cells) {
        return "| " + String.join(" | ", cells) + " |\n";
    }

    void expect(int rows) {
        expected.set(rows);
    }

    synchronized void add(int place, String... cells) {
        rows.put(place, row(cells));
    }

    /** Writes the table; compares it with the document if every row is there. */
    synchronized void publish(String name) throws IOException {
        String table = head + String.join("", rows.values());
        Path file = ROOT.resolve("hub-client/target").resolve(name);
        Files.writeString(file, table);
        if (rows.size() == expected.get()) {
            assertThat(Files.readString(ROOT.resolve("docs/hub-faults.md")))
                    .as("docs/hub-faults.md should have the table of " + file)
                    .contains(table);
        }
    }
}
