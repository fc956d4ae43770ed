package graft.formats.peft;

import graft.formats.tensor.TensorInfo;

import java.lang.foreign.MemorySegment;

/**
 * A tensor that an adapter replaces whole ({@code modules_to_save}).
 *
 * @param info under its name in the adapter's file
 * @param bytes of it; live as long as what they were read from
 */
public record WholeTensor(TensorInfo info, MemorySegment bytes) {}
