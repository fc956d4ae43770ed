package graft.convert.job;

import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Accuracy against bytes as an SVG of its own: bytes in a logarithmic scale, marks per kind. */
public final class FrontierPlot {
    private static final int WIDTH = 860;
    private static final int HEIGHT = 520;
    private static final int LEFT = 70;
    private static final int TOP = 30;
    private static final int RIGHT = 230;
    private static final int BOTTOM = 60;
    private static final double LOWEST = 0.3;
    private static final double HIGHEST = 1.05;
    private static final double FEWEST = 3_000;
    private static final double MOST = 1_500_000;

    /** Kind, its name in the legend, colour and mark. */
    private static final Map<String, String[]> KINDS =
            Map.of(
                    "global f32", new String[] {"PERU-FFT as published", "#888888", "o"},
                    "tensor f32", new String[] {"the same by tensor", "#444444", "x"},
                    "tensor signproj", new String[] {"signs, projection gain", "#1f77b4", "s"},
                    "tensor proj", new String[] {"values, projection gain", "#2ca02c", "+"},
                    "stochastic", new String[] {"stochastic rounding", "#9467bd", "^"},
                    "dither", new String[] {"dither, uniform step", "#ff7f0e", "v"},
                    "compact", new String[] {"compact (default rule)", "#d62728", "d"});

    private FrontierPlot() {}

    /** The points whose kind has a mark, those over θ* = task arithmetic 0.3 alone. */
    public static String svg(List<Frontier.Point> points) {
        var svg = new StringBuilder();
        svg.append(
                """
                <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">
                <rect width="100%%" height="100%%" fill="white"/>
                <text x="%d" y="18" font-size="14">Accuracy over the fine-tune's, and bytes per task (real files, headers and head included)</text>
                """
                        .formatted(WIDTH, HEIGHT, LEFT));
        for (double y = LOWEST; y < HIGHEST; y += 0.1) {
            line(svg, LEFT, y(y), WIDTH - RIGHT, y(y), "#e0e0e0");
            text(svg, LEFT - 8, y(y) + 4, "end", "%.1f".formatted(y));
        }
        line(svg, LEFT, y(0.99), WIDTH - RIGHT, y(0.99), "#d62728");
        text(svg, WIDTH - RIGHT + 4, y(0.99) + 4, "start", "99 %");
        for (double x : new double[] {5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6}) {
            line(svg, x(x), TOP, x(x), HEIGHT - BOTTOM, "#e0e0e0");
            text(svg, x(x), HEIGHT - BOTTOM + 18, "middle", "%.0f kB".formatted(x / 1000));
        }
        for (Frontier.Point point : points) {
            String[] kind = KINDS.get(point.kind());
            boolean over = point.label().startsWith("ta0.3") || point.kind().equals("compact");
            boolean plain = !point.label().contains("1-D") && !point.label().contains("no emb");
            if (kind != null && over && plain && point.bytes() > 0) {
                mark(svg, x(point.bytes()), y(point.ratio()), kind);
            }
        }
        int row = 0;
        for (String[] kind : KINDS.values().stream().sorted(FrontierPlot::byName).toList()) {
            double y = TOP + 40 + 22 * row++;
            mark(svg, WIDTH - RIGHT + 50, y, kind);
            text(svg, WIDTH - RIGHT + 64, y + 4, "start", kind[0]);
        }
        return svg.append("</svg>\n").toString();
    }

    private static int byName(String[] a, String[] b) {
        return a[0].compareTo(b[0]);
    }

    private static double x(double bytes) {
        double share = Math.log(bytes / FEWEST) / Math.log(MOST / FEWEST);
        return LEFT + share * (WIDTH - LEFT - RIGHT);
    }

    private static double y(double ratio) {
        double share = (ratio - LOWEST) / (HIGHEST - LOWEST);
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM);
    }

    private static void line(
            StringBuilder svg, double x1, double y1, double x2, double y2, String colour) {
        svg.append(
                String.format(
                        Locale.ROOT,
                        "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>%n",
                        x1,
                        y1,
                        x2,
                        y2,
                        colour));
    }

    private static void text(StringBuilder svg, double x, double y, String anchor, String text) {
        svg.append(
                String.format(
                        Locale.ROOT,
                        "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>%n",
                        x,
                        y,
                        anchor,
                        text));
    }

    /** Shapes as well as colours, so that the plot reads without them. */
    private static void mark(StringBuilder svg, double x, double y, String[] kind) {
        String path =
                switch (kind[2]) {
                    case "s" -> "M-4,-4h8v8h-8z";
                    case "x" -> "M-4,-4L4,4M-4,4L4,-4";
                    case "+" -> "M-5,0H5M0,-5V5";
                    case "^" -> "M0,-5L5,4H-5z";
                    case "v" -> "M0,5L5,-4H-5z";
                    case "d" -> "M0,-6L6,0L0,6L-6,0z";
                    default -> "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0z";
                };
        svg.append(
                String.format(
                        Locale.ROOT,
                        "<path transform=\"translate(%.1f,%.1f)\" d=\"%s\" fill=\"%s\" stroke=\"%s\"/>%n",
                        x,
                        y,
                        path,
                        kind[2].equals("x") || kind[2].equals("+") ? "none" : kind[1],
                        kind[1]));
    }
}
