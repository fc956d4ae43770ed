package graft.convert.plan;

import graft.convert.ConversionException;
import graft.formats.FileSpot;
import graft.formats.delta.DeltaHeader;
import graft.formats.delta.SparseTensor;
import graft.formats.io.Sha256;
import graft.formats.tensor.TensorInfo;
import graft.formats.tensor.TensorSource;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;

/**
 * Which base a delta builds on: a hash of the contents of the tensors it uses, whatever files they
 * lie in. Specified in {@code docs/sparse-delta.md}.
 */
public final class DeltaBase {
    private DeltaBase() {}

    /**
     * @param names tensors used, sorted; all are in {@code base}
     * @return SHA-256, lower-case hex, of a line {@code name NUL dtype NUL shape NUL sha256 LF}
     *     each
     */
    public static String identity(TensorSource base, List<String> names, Workers workers)
            throws IOException {
        return identity(base, names, Map.of(), workers);
    }

    /**
     * The same.
     *
     * @param known SHA-256 of tensors that need not be read again, by name
     */
    public static String identity(
            TensorSource base, List<String> names, Map<String, String> known, Workers workers)
            throws IOException {
        List<String> lines =
                workers.map(
                        names,
                        name -> {
                            TensorInfo info =
                                    base.find(name)
                                            .orElseThrow(() -> new NoSuchElementException(name));
                            String hash = known.get(name);
                            return String.join(
                                            "\0",
                                            name,
                                            info.dtype().name(),
                                            info.shape().toString(),
                                            hash == null ? Sha256.of(base.bytes(name)) : hash)
                                    + "\n";
                        });
        byte[] text = String.join("", lines).getBytes(StandardCharsets.UTF_8);
        return Sha256.of(MemorySegment.ofArray(text));
    }

    /**
     * Whether {@code base} is the one that the delta was made for, bit for bit.
     *
     * @param source what the user called the base
     * @throws ConversionException.BaseMismatch if it lacks a tensor that the delta builds on, or
     *     has another shape of it
     */
    public static boolean isOf(DeltaHeader delta, TensorSource base, String source, Workers workers)
            throws IOException {
        for (SparseTensor tensor : delta.tensors()) {
            TensorInfo info = tensor.info();
            boolean fits =
                    base.find(info.name())
                            .filter(found -> found.shape().equals(info.shape()))
                            .filter(found -> found.dtype().isComputable())
                            .isPresent();
            if (!fits) {
                throw new ConversionException.BaseMismatch(
                        "%s has no tensor %s of shape %s, which the delta builds on"
                                .formatted(source, FileSpot.quote(info.name()), info.shape()),
                        "give the base it was made for: " + delta.baseName());
            }
        }
        List<String> names = delta.tensors().stream().map(t -> t.info().name()).toList();
        return identity(base, names, workers).equals(delta.baseSha256());
    }

    /**
     * @param override how to go on all the same, a clause
     */
    public static ConversionException.BaseMismatch mismatch(
            DeltaHeader delta, String deltaSource, String baseSource, String override) {
        return new ConversionException.BaseMismatch(
                "%s is not the base that %s was made for: its tensors hash differently"
                        .formatted(baseSource, deltaSource),
                "give that base (it was called %s), or %s"
                        .formatted(FileSpot.quote(delta.baseName()), override));
    }
}
