package graft.formats;

import static org.assertj.core.api.Assertions.assertThat;

import graft.formats.checkpoint.IndexRule;
import graft.formats.pickle.PickleRule;
import graft.formats.safetensors.SafetensorsRule;

import org.junit.jupiter.api.Test;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;

class RulesTest {
    /** Programs rely on the names: one that vanishes from the page or from the code is a break. */
    @Test
    void everyRuleIsDocumented() throws IOException {
        Path page = Testdata.path("../docs/error-rules.md");
        List<String> documented =
                Pattern.compile("(?m)^\\| `([a-z]+/[a-z_0-9]+)` \\|")
                        .matcher(Files.readString(page))
                        .results()
                        .map(match -> match.group(1))
                        .toList();
        List<FormatRule> rules =
                Stream.<FormatRule[]>of(
                                SafetensorsRule.values(), IndexRule.values(), PickleRule.values())
                        .flatMap(Stream::of)
                        .toList();
        assertThat(documented)
                .containsExactlyElementsOf(rules.stream().map(FormatRule::code).toList());
    }
}
