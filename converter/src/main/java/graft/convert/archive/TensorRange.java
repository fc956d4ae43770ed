package graft.convert.archive;

import graft.formats.archive.ElementType;
import graft.formats.pickle.PickleReader;
import graft.formats.safetensors.SafetensorsReader;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * A tensor in a file.
 *
 * @param info what the header says of it
 * @param offset of its first byte in the file
 */
record TensorRange(TensorInfo info, long offset) {
    /** All tensors of a safetensors file, which leave no gaps. */
    static List<TensorRange> ofSafetensors(Path file) throws IOException {
        try (var reader = SafetensorsReader.open(file)) {
            List<TensorRange> tensors = new ArrayList<>();
            for (TensorInfo info : reader.tensors()) {
                tensors.add(new TensorRange(info, reader.fileOffset(info.name())));
            }
            return tensors;
        }
    }

    /**
     * Tensors of a file by {@code torch.save} in the order of their bytes, of {@code least} bytes
     * at least: those that lie in it as a whole and share nothing with one before.
     */
    static List<TensorRange> ofPickle(Path file, long least) throws IOException {
        List<TensorRange> tensors = new ArrayList<>();
        try (var reader = PickleReader.open(file)) {
            for (TensorInfo info : reader.tensors()) {
                if (info.bytes() >= least) {
                    reader.fileOffset(info.name())
                            .ifPresent(offset -> tensors.add(new TensorRange(info, offset)));
                }
            }
        }
        tensors.sort(Comparator.comparingLong(TensorRange::offset));
        List<TensorRange> apart = new ArrayList<>();
        for (TensorRange tensor : tensors) {
            if (apart.isEmpty() || apart.getLast().end() <= tensor.offset()) {
                apart.add(tensor);
            }
        }
        return apart;
    }

    /** The byte behind its last one. */
    long end() {
        return offset + info.bytes();
    }

    /** Under which other models' tensors are compared with it. */
    String key() {
        return info.dtype() + " " + info.shape() + " " + info.name();
    }

    ElementType type() {
        return switch (info.dtype()) {
            case F8_E4M3, F8_E4M3FNUZ -> ElementType.F8_E4M3;
            case F8_E5M2, F8_E5M2FNUZ -> ElementType.F8_E5M2;
            case F16 -> ElementType.F16;
            case BF16 -> ElementType.BF16;
            case F32, C64 -> ElementType.F32;
            case I16, U16 -> ElementType.WORD16;
            case I32, U32 -> ElementType.WORD32;
            case F64, I64, U64 -> ElementType.WORD64;
            case BOOL, F4, F6_E2M3, F6_E3M2, U8, I8, F8_E8M0 -> ElementType.BYTES;
        };
    }
}
