package graft.formats.peft;

import com.fasterxml.jackson.databind.JsonNode;
import com.google.re2j.Pattern;
import com.google.re2j.PatternSyntaxException;

import graft.formats.FileSpot;
import graft.formats.MalformedFileException;
import graft.formats.UnsupportedFeatureException;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;

/**
 * {@code rank_pattern} or {@code alpha_pattern}: numbers by regular expression over module paths.
 *
 * <p>Expressions come from strangers, so they run on RE2J, in linear time; it has no lookaround.
 */
record ModulePatterns(List<Entry> entries) {
    private static final int MOST = 100_000;

    record Entry(Pattern pattern, double value) {}

    static ModulePatterns of(FileSpot spot, String field, JsonNode patterns) throws IOException {
        List<Entry> entries = new ArrayList<>();
        if (!patterns.isMissingNode() && !patterns.isNull() && !patterns.isObject()) {
            throw new MalformedFileException(spot, field + " is not an object");
        }
        if (patterns.size() > MOST) {
            throw new MalformedFileException(
                    spot, "%s has %d entries".formatted(field, patterns.size()));
        }
        for (var property : patterns.properties()) {
            if (!property.getValue().isNumber()) {
                throw new MalformedFileException(
                        spot,
                        "%s of %s is not a number"
                                .formatted(field, FileSpot.quote(property.getKey())));
            }
            entries.add(
                    new Entry(
                            compile(spot, field, property.getKey()),
                            property.getValue().asDouble()));
        }
        return new ModulePatterns(entries);
    }

    /** Whether {@code expression} matches all of {@code module}. */
    static boolean isWhole(FileSpot spot, String field, String expression, String module)
            throws IOException {
        return compiled(spot, field, expression, expression).matches(module);
    }

    private static Pattern compile(FileSpot spot, String field, String key) throws IOException {
        return compiled(spot, field, key, "(?:.*\\.)?(?:" + key + ")");
    }

    private static Pattern compiled(FileSpot spot, String field, String key, String expression)
            throws IOException {
        try {
            return Pattern.compile(expression);
        } catch (PatternSyntaxException e) {
            throw new UnsupportedFeatureException(
                    spot,
                    "%s key %s is no expression Graft can match: %s"
                            .formatted(field, FileSpot.quote(key), e.getDescription()),
                    "lookaround is not supported; write the module paths out");
        }
    }

    /** The value of the first entry, in file order, that matches. */
    OptionalDouble first(String module) {
        for (Entry entry : entries) {
            if (entry.pattern().matches(module)) {
                return OptionalDouble.of(entry.value());
            }
        }
        return OptionalDouble.empty();
    }
}
