package graft.convert.cli;

import graft.formats.tensor.DType;

import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

import java.util.Locale;

/**
 * Types of weights by any name in use: torch's and numpy's, which Graft prints, those of
 * safetensors headers, and the short ones of trainers and runtimes; in capitals or not.
 */
final class FloatTypes implements ITypeConverter<DType> {
    /** For help texts. */
    static final String LABEL = "float32|float16|bfloat16";

    @Override
    public DType convert(String name) {
        return switch (name.toLowerCase(Locale.ROOT).replaceFirst("^torch\\.", "")) {
            case "float32", "f32", "fp32", "float" -> DType.F32;
            case "float16", "f16", "fp16", "half" -> DType.F16;
            case "bfloat16", "bf16" -> DType.BF16;
            default ->
                    throw new TypeConversionException(
                            "'%s' is none of float32, float16, bfloat16".formatted(name));
        };
    }
}
