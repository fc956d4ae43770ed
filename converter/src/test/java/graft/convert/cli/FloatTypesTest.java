package graft.convert.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import graft.formats.tensor.DType;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import picocli.CommandLine;

import java.util.Objects;

class FloatTypesTest {
    @ParameterizedTest
    @CsvSource({
        "float32,F32",
        "F32,F32",
        "fp32,F32",
        "float,F32",
        "torch.float32,F32",
        "float16,F16",
        "f16,F16",
        "FP16,F16",
        "half,F16",
        "bfloat16,BF16",
        "BF16,BF16",
        "torch.bfloat16,BF16"
    })
    void everySpellingInUseIsRead(String name, DType type) {
        assertThat(new FloatTypes().convert(name)).isEqualTo(type);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "int8", "float64", "fp8", "torch."})
    void otherTypesAreRefused(String name) {
        assertThatThrownBy(() -> new FloatTypes().convert(name))
                .isInstanceOf(CommandLine.TypeConversionException.class)
                .hasMessageContaining("float32, float16, bfloat16");
    }

    @Test
    void allVerbsReadAndPrintTheSame() {
        CommandLine graft = GraftCommand.commandLine(new String[0]);
        for (String verb :
                new String[] {"export", "merge", "convert", "sweep", "reduce", "extract"}) {
            var option =
                    Objects.requireNonNull(graft.getSubcommands().get(verb))
                            .getCommandSpec()
                            .findOption("--dtype");
            assertThat(option.paramLabel()).as(verb).isEqualTo(FloatTypes.LABEL);
            assertThat(option.converters()[0]).as(verb).isInstanceOf(FloatTypes.class);
        }
    }
}
