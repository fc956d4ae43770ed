package graft.convert.sparsify;

import graft.convert.plan.Workers;
import graft.formats.io.Sha256;
import graft.formats.tensor.TensorInfo;
import graft.formats.tensor.TensorSource;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.NoSuchElementException;

/**
 * Which base a delta builds on: a hash of the contents of the tensors it uses, whatever files they
 * lie in. Specified in {@code docs/sparse-delta.md}.
 */
final class BaseIdentity {
    private BaseIdentity() {}

    /**
     * @param names tensors used, sorted; all are in {@code base}
     * @return SHA-256, lower-case hex, of a line {@code name NUL dtype NUL shape NUL sha256 LF}
     *     each
     */
    static String of(TensorSource base, List<String> names, Workers workers) throws IOException {
        List<String> lines =
                workers.map(
                        names,
                        name -> {
                            TensorInfo info =
                                    base.find(name)
                                            .orElseThrow(() -> new NoSuchElementException(name));
                            return String.join(
                                            "\0",
                                            name,
                                            info.dtype().name(),
                                            info.shape().toString(),
                                            Sha256.of(base.bytes(name)))
                                    + "\n";
                        });
        byte[] text = String.join("", lines).getBytes(StandardCharsets.UTF_8);
        return Sha256.of(MemorySegment.ofArray(text));
    }
}
