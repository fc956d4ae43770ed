package graft.convert.plan;

import graft.formats.tensor.TensorInfo;
import graft.formats.tensor.TensorSource;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;

/** A tensor in memory that somebody else owns, or a part of one. */
public record OneTensor(TensorInfo info, MemorySegment bytes) implements TensorSource {
    @Override
    public String name() {
        return info.name();
    }

    @Override
    public List<TensorInfo> tensors() {
        return List.of(info);
    }

    @Override
    public Optional<TensorInfo> find(String name) {
        return name.equals(info.name()) ? Optional.of(info) : Optional.empty();
    }

    @Override
    public MemorySegment bytes(String name) {
        return bytes;
    }

    @Override
    public void close() {}
}
