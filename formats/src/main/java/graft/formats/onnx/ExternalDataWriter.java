package graft.formats.onnx;

import com.google.protobuf.ByteString;

import graft.formats.io.FileWrites;
import graft.formats.onnx.proto.TensorProto;
import graft.formats.tensor.DType;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Optional;

/**
 * A data file beside graphs: tensors one after the other, each at a multiple of 4096 bytes so that
 * it can be mapped (onnx's external data specification). Not thread-safe.
 */
public final class ExternalDataWriter implements AutoCloseable {
    private static final long ALIGNMENT = 4096;

    /** Smaller tensors stay in the graph: an alignment gap would cost more. */
    public static final long SMALLEST = 1024;

    private final FileChannel channel;
    private final String location;
    private long end;

    private ExternalDataWriter(FileChannel channel, String location) {
        this.channel = channel;
        this.location = location;
    }

    /**
     * @param file must not exist; graphs that use it lie in the same folder
     */
    public static ExternalDataWriter create(Path file) throws IOException {
        var channel =
                FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
        return new ExternalDataWriter(channel, file.getFileName().toString());
    }

    /**
     * An initializer with these bytes: in the data file, or inline if it is small.
     *
     * @throws IllegalArgumentException if the bytes are not what type and shape need
     */
    public TensorProto add(TensorInfo info, MemorySegment bytes) throws IOException {
        if (bytes.byteSize() != info.bytes()) {
            throw new IllegalArgumentException("%d bytes for %s".formatted(bytes.byteSize(), info));
        }
        if (info.bytes() < SMALLEST) {
            TensorProto.Builder tensor =
                    TensorProto.newBuilder()
                            .setName(info.name())
                            .setDataType(OnnxTypes.of(info.dtype()).getNumber());
            Arrays.stream(info.shape().toArray()).forEach(tensor::addDims);
            return tensor.setRawData(ByteString.copyFrom(bytes.asByteBuffer())).build();
        }
        long offset = (end + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        FileWrites.fully(channel, bytes, offset);
        end = offset + bytes.byteSize();
        return new ExternalFile(location, offset).initializer(info);
    }

    /** The number ONNX has for a type, as attributes and protobuf fields hold it. */
    public static int typeNumber(DType type) {
        return OnnxTypes.of(type).getNumber();
    }

    /** The type that ONNX numbers so; empty if Graft has none for it. */
    public static Optional<DType> type(int number) {
        return OnnxTypes.of(number);
    }

    /** Bytes of the file so far. */
    public long bytes() {
        return end;
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
