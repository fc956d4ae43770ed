package graft.formats.peft;

import static org.assertj.core.api.Assertions.assertThat;

import graft.formats.FileSpot;
import graft.formats.Testdata;
import graft.formats.peft.dialect.Dialect;
import graft.formats.safetensors.SafetensorsReader;
import graft.formats.tensor.TensorFile;
import graft.formats.tensor.TensorInfo;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;

class AdapterDecoderTest {
    /** Passes everything on and counts the tensor data that is asked for. */
    private static final class Counting implements TensorFile {
        private final TensorFile file;
        private long dataBytes;

        Counting(TensorFile file) {
            this.file = file;
        }

        @Override
        public MemorySegment bytes(String name) {
            MemorySegment bytes = file.bytes(name);
            dataBytes += bytes.byteSize();
            return bytes;
        }

        @Override
        public String name() {
            return file.name();
        }

        @Override
        public List<TensorInfo> tensors() {
            return file.tensors();
        }

        @Override
        public Optional<TensorInfo> find(String name) {
            return file.find(name);
        }

        @Override
        public long headerBytes() {
            return file.headerBytes();
        }

        @Override
        public Map<String, String> metadata() {
            return file.metadata();
        }

        @Override
        public List<String> warnings() {
            return file.warnings();
        }

        @Override
        public void close() {
            file.close();
        }
    }

    /** The scalars that kohya keeps its scales in are all that a decoder reads. */
    @ParameterizedTest
    @CsvSource({
        "linear_r8/adapter/adapter_model.safetensors, 0",
        "dora_conv2d/adapter/adapter_model.safetensors, 0",
        "vera/adapter/adapter_model.safetensors, 0",
        "trainable_tokens_dict/adapter/adapter_model.safetensors, 0",
        "target_parameters_3d/adapter/adapter_model.safetensors, 0",
        "diffusers_metadata/adapter/pytorch_lora_weights.safetensors, 0",
        "kohya_sd15/adapter/lora.safetensors, 56", // 14 modules with a float32 each
        "kohya_fp16/adapter/lora.safetensors, 8",
    })
    void decodingReadsNoTensorData(String file, long scalarBytes) throws IOException {
        Path path = Testdata.path("adapters/" + file);
        Path json = path.resolveSibling(AdapterConfig.FILE_NAME);
        try (var counting = new Counting(SafetensorsReader.open(path))) {
            ConfigByComponent configs =
                    json.toFile().exists()
                            ? ConfigByComponent.ofFile(AdapterConfig.read(json))
                            : ConfigByComponent.ofMetadata(FileSpot.of(path), counting.metadata());
            Dialect dialect =
                    Dialect.of(
                            FileSpot.of(path),
                            counting.tensors().stream().map(TensorInfo::name).toList());
            var decoder = new AdapterDecoder(new AdapterWeights(path, counting), dialect, configs);
            assertThat(decoder.decode()).isNotEmpty();
            assertThat(counting.dataBytes).isEqualTo(scalarBytes);
            assertThat(decoder.dataBytes()).isEqualTo(scalarBytes);
        }
    }
}
