package graft.convert.archive;

import graft.formats.archive.ElementType;
import graft.formats.tensor.TensorInfo;

/**
 * A tensor in a file.
 *
 * @param info what the header says of it
 * @param offset of its first byte in the file
 */
record TensorRange(TensorInfo info, long offset) {
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
