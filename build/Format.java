import com.google.googlejavaformat.java.Formatter;
import com.google.googlejavaformat.java.ImportOrderer;
import com.google.googlejavaformat.java.JavaFormatterOptions;
import com.google.googlejavaformat.java.RemoveUnusedImports;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Checks, or with {@code apply} repairs, the layout of every Java file below a folder.
 *
 * <p>Runs in its own JVM: google-java-format parses with the running javac, so a Maven on Java 17
 * cannot format the record patterns of this code base itself.
 */
final class Format {
    public static void main(String[] args) throws Exception {
        boolean apply = args[0].equals("apply");
        var style = JavaFormatterOptions.builder().style(JavaFormatterOptions.Style.AOSP).build();
        var formatter = new Formatter(style);
        List<Path> wrong = new ArrayList<>();
        for (Path file : sources(Path.of(args[1]))) {
            String before = Files.readString(file);
            String imports = RemoveUnusedImports.removeUnusedImports(before);
            String ordered = ImportOrderer.reorderImports(imports, JavaFormatterOptions.Style.AOSP);
            String after = formatter.formatSource(ordered);
            if (!after.equals(before)) {
                wrong.add(file);
                if (apply) {
                    Files.writeString(file, after);
                }
            }
        }
        if (!wrong.isEmpty() && !apply) {
            wrong.forEach(file -> System.err.println("not formatted: " + file));
            System.err.println("help: mvn -q -N process-sources -Dformat=apply");
            System.exit(1);
        }
    }

    private static List<Path> sources(Path root) throws Exception {
        try (var files = Files.walk(root)) {
            return files.filter(file -> file.toString().endsWith(".java"))
                    .filter(file -> !file.toString().contains("target"))
                    .sorted()
                    .toList();
        }
    }
}
