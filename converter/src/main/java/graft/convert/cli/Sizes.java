package graft.convert.cli;

import java.math.BigDecimal;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Sizes for people, in decimal units as the Hub shows them; binary ones are understood. */
final class Sizes {
    private static final String[] UNITS = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};

    private static final Pattern SIZE =
            Pattern.compile("([0-9]+(?:\\.[0-9]+)?)\\s*([kKMGTPE]?)(i?)[bB]?");

    private Sizes() {}

    /**
     * Bytes of {@code 300000}, {@code 300kB}, {@code 1.5MiB}: decimal units unless there is an i.
     *
     * @throws UsageException naming {@code option} if it is none of that
     */
    static long parse(String option, String text) {
        Matcher size = SIZE.matcher(text.strip());
        if (!size.matches() || (size.group(3).equals("i") && size.group(2).isEmpty())) {
            throw new UsageException(
                    "%s %s is not a size".formatted(option, text),
                    "write bytes, or a unit as in 300kB, 20MB, 1.5GiB");
        }
        int power = " kMGTPE".indexOf(size.group(2).isEmpty() ? " " : unit(size.group(2)));
        BigDecimal step = BigDecimal.valueOf(size.group(3).isEmpty() ? 1000 : 1024);
        BigDecimal bytes = new BigDecimal(size.group(1)).multiply(step.pow(power));
        if (bytes.compareTo(BigDecimal.valueOf(Long.MAX_VALUE)) > 0) {
            throw new UsageException("%s %s is too large".formatted(option, text), "use less");
        }
        return bytes.longValue();
    }

    private static String unit(String letter) {
        return letter.equals("K") ? "k" : letter;
    }

    /** {@code 73.4 MB}. */
    static String decimal(long bytes) {
        double value = bytes;
        int unit = 0;
        while (value >= 999.5 && unit < UNITS.length - 1) {
            value /= 1000;
            unit++;
        }
        String pattern = unit == 0 || value >= 99.95 ? "%.0f %s" : "%.1f %s";
        return String.format(Locale.ROOT, pattern, value, UNITS[unit]);
    }
}
