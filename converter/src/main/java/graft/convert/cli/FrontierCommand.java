package graft.convert.cli;

import graft.convert.job.Frontier;
import graft.convert.job.FrontierPlot;

import org.jspecify.annotations.Nullable;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;

@Command(
        name = "frontier",
        hidden = true,
        description =
                "Score every setting of a family's expected.json in ONNX Runtime, beside Graft's own.")
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class FrontierCommand implements Callable<Integer> {
    /** Rows by which a score may differ: logits that all but tie. */
    private static final int TOLERANCE = 2;

    @Mixin CommonOptions common = new CommonOptions();
    @Mixin ThreadOptions threads = new ThreadOptions();

    @Parameters(paramLabel = "FAMILY", description = "Folder with base/, fft-TASK/, …")
    Path family;

    @Option(names = "--rows", paramLabel = "REGEX", description = "Only rows whose label matches.")
    String rows = ".*";

    @Option(names = "--plot", paramLabel = "FILE", description = "SVG to write.")
    @Nullable Path plot;

    @Override
    public Integer call() throws Exception {
        Printer printer = common.printer();
        List<Frontier.Point> points =
                Frontier.measure(
                        family, label -> label.matches(rows), threads.checked(), common.progress());
        int far = 0;
        for (Frontier.Point point : points) {
            boolean compared = !point.expected().isEmpty();
            far += point.distance() > TOLERANCE ? 1 : 0;
            printer.human(
                    String.format(
                            Locale.ROOT,
                            "%-44s %-22s ratio %.4f worst %.4f %10s %s",
                            point.label(),
                            point.correct(),
                            point.ratio(),
                            point.worst(),
                            point.bytes() == 0 ? "-" : Sizes.decimal(point.bytes()),
                            compared ? "±" + point.distance() : ""));
        }
        printer.human(
                "%d settings, %d further than %d rows from the reference"
                        .formatted(points.size(), far, TOLERANCE));
        if (plot != null) {
            Files.writeString(plot, FrontierPlot.svg(points));
        }
        Map<String, Object> document = new TreeMap<>();
        document.put("far", far);
        document.put("settings", points.stream().map(FrontierCommand::row).toList());
        printer.document(() -> Json.object(document));
        return far == 0 ? ExitCodes.DONE : ExitCodes.CHECK_FAILED;
    }

    private static Map<String, Object> row(Frontier.Point point) {
        Map<String, Object> row = new TreeMap<>();
        row.put("label", point.label());
        row.put("correct", point.correct());
        row.put("expected", point.expected());
        row.put("rows", point.rows());
        row.put("bytes", point.bytes());
        row.put("ratio", point.ratio());
        row.put("worst", point.worst());
        return row;
    }
}
