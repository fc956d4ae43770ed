package graft.convert.merge;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import graft.convert.plan.Progress;
import graft.convert.testing.Checkpoints;
import graft.convert.testing.Python;
import graft.formats.FormatException;
import graft.formats.MalformedFileException;
import graft.formats.UnsupportedFeatureException;
import graft.formats.checkpoint.CheckpointWriter;
import graft.formats.tensor.DType;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;

class MergekitConfigTest {
    @TempDir Path folder;

    private static final String TIES =
            """
            models:
              - model: BASE
                # no parameters necessary for base model
              - model: tune0
                parameters:
                  density: 0.3
                  weight:
                    - filter: mlp
                      value: 0.5
                    - value: 0.25
              - model: tune1
                parameters:
                  density:
                    - filter: attn
                      value: 0.77
                    - value: 0.2
                  weight: 5e-1
            merge_method: ties
            base_model: BASE
            parameters:
              normalize: true
              int8_mask: true
              lambda:
                - filter: norm
                  value: 1
                - value: 0.8
            dtype: float32
            """;

    private static final String LINEAR =
            """
            models:
              - model: tune0
                parameters:
                  weight: 1.0
              - model: tune1
                parameters:
                  weight: 0.3
            merge_method: linear
            dtype: float32
            """;

    private static final String ARITHMETIC =
            """
            base_model: BASE
            models: [{model: tune0, parameters: {weight: 0.4}}, {model: tune1}]
            merge_method: task_arithmetic
            parameters: {weight: 0.7, lambda: 0.9, normalize: true}
            tokenizer_source: base
            out_dtype: float32
            """;

    private static final String BREADCRUMBS =
            """
            base_model: BASE
            models:
              - {model: tune0, parameters: {weight: 0.6, density: 0.4, gamma: 0.05}}
              - {model: tune1, parameters: {weight: 0.2, density: 0.9}}
            merge_method: breadcrumbs
            """;

    @Test
    void filtersAndValuesAreAsMergekitResolvesThem() throws IOException {
        MergekitConfig config = read(TIES);
        assertThat(config.base()).isEqualTo("BASE");
        assertThat(config.models()).containsExactly("tune0", "tune1");
        assertThat(config.dtype()).contains(DType.F32);
        MergeOptions options = config.options();
        assertThat(options.method()).isEqualTo(MergeMethod.TIES);
        assertThat(options.normalise()).isTrue();
        assertThat(options.weightOf(0, "layers.0.mlp.weight")).isEqualTo(0.5);
        assertThat(options.weightOf(0, "layers.0.attn.weight")).isEqualTo(0.25);
        assertThat(options.weightOf(1, "layers.0.mlp.weight")).isEqualTo(0.5);
        assertThat(options.densityOf(0, "layers.0.attn.weight")).isEqualTo(0.3);
        assertThat(options.densityOf(1, "layers.0.attn.weight")).isEqualTo(0.77);
        assertThat(options.densityOf(1, "layers.0.mlp.weight")).isEqualTo(0.2);
        assertThat(options.lambdaOf("norm.weight", 3)).isEqualTo(1);
        assertThat(options.lambdaOf("mlp.weight", 3)).isEqualTo(0.8);
        assertThat(read(LINEAR).base()).isEqualTo("tune0");
        assertThat(read(ARITHMETIC).options().weightOf(1, "x")).isEqualTo(0.7);
    }

    /** Merged by mergekit's own functions. */
    @Test
    void resultsAreMergekits() throws Exception {
        Python python = Python.with("torch", "safetensors", "yaml", "mergekit");
        family();
        for (String yaml : List.of(TIES, LINEAR, ARITHMETIC, BREADCRUMBS)) {
            Path file = write(yaml.replace("BASE", "base"));
            Path out = merge(MergekitConfig.read(file));
            python.run(
                    "check_mergekit.py",
                    file.toString(),
                    List.of(out.resolve("model.safetensors").toString()));
        }
    }

    private void family() throws IOException {
        Map<String, long[]> shapes =
                Map.of(
                        "attn.weight", new long[] {37, 41},
                        "mlp.weight", new long[] {64, 33},
                        "norm.weight", new long[] {64});
        var random = new Random(4);
        for (String name : List.of("base", "tune0", "tune1")) {
            Map<String, float[]> tensors = new TreeMap<>();
            var same = new Random(9);
            shapes.forEach((tensor, shape) -> {
                int n = (int) (shape[0] * (shape.length > 1 ? shape[1] : 1));
                float[] values = new float[n];
                for (int i = 0; i < n; i++) {
                    values[i] = (float) same.nextGaussian();
                    values[i] += name.equals("base") ? 0 : 0.3f * (float) random.nextGaussian();
                }
                tensors.put(tensor, values);
            });
            Path file = folder.resolve(name + ".safetensors");
            Checkpoints.write(file, DType.F32, tensors, shapes);
        }
    }

    private Path merge(MergekitConfig config) throws IOException {
        List<MergeRequest.FineTune> models = new ArrayList<>();
        for (String model : config.models()) {
            models.add(new MergeRequest.FineTune(at(model), model));
        }
        Path out = folder.resolve("out" + config.hashCode());
        new MergeModels()
                .run(
                        new MergeRequest(
                                at(config.base()),
                                "base",
                                models,
                                config.options(),
                                List.of(),
                                config.dtype(),
                                CheckpointWriter.DEFAULT_SHARD_BYTES,
                                out,
                                false,
                                2,
                                Progress.NONE));
        return out;
    }

    private Path at(String model) {
        return folder.resolve(model + ".safetensors");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "merge_method: ties|merge_method: slerp|merge_method 'slerp'",
                "merge_method: ties|merge_method: dare_ties~slices: []|slices",
                "dtype: float32|dtype: int8|dtype 'int8'",
                "dtype: float32|chat_template: auto|chat_template",
                "dtype: float32|tokenizer_source: union|tokenizer source 'union'",
                "int8_mask: true|rescale: true|rescale: true with ties",
                "int8_mask: true|epsilon: 0.1|parameter epsilon",
                "weight: 5e-1|weight: [0, 0.5, 1]|gradient of weight over layers",
                "model: tune0|model: tune0+lora|adapter in 'tune0+lora'",
                "value: 0.77|value: [0.1, 1]|gradient of density over layers",
            })
    void whatIsNotCoveredIsRefusedByName(String from, String to, String named) {
        assertThatThrownBy(() -> read(TIES.replace(from, to.replace('~', '\n'))))
                .isInstanceOf(UnsupportedFeatureException.class)
                .hasMessageContaining(named);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "base_model: BASE|base_model: []|no text under base_model",
                "density: 0.3|density: 1.5|density '1.5' is no share",
                "weight: 5e-1|weight: heavy|weight 'heavy' is no number",
                "- value: 0.25|- {filter: x, value: 1}|no weight that holds for every tensor",
                "merge_method: ties|merge_method: [ties]|no text under merge_method",
                "dtype: float32|dtype: float32~---~models: []|not one YAML document",
                "dtype: float32|dtype: float32~dtype: float16|not one YAML document",
                "models:|models: {|not one YAML document",
                "- filter: mlp|- filter: [mlp, attn]|filter of weight is no text",
                "- filter: mlp|- filter: {mlp: attn}|filter of weight is no text",
                "dtype: float32|tokenizer: union|tokenizer: no mapping",
                "dtype: float32|tokenizer: [source, union]|tokenizer: no mapping",
                "  density: 0.3|  &key density: 0.3~      *key : 0.4|not one YAML document",
            })
    void whatIsNoConfigurationIsMalformed(String from, String to, String said) {
        assertThatThrownBy(() -> read(TIES.replace(from, to.replace('~', '\n'))))
                .isInstanceOf(MalformedFileException.class)
                .hasMessageContaining(said);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "parameters: {weight: 0.7, lambda: 0.9, normalize: true}|parameters: [normalize, lambda]",
                "parameters: {weight: 0.7, lambda: 0.9, normalize: true}|parameters: 0.5",
                "parameters: {weight: 0.7, lambda: 0.9, normalize: true}|parameters: weight",
                "parameters: {weight: 0.4}|parameters: [{weight: 0.1}]",
                "parameters: {weight: 0.4}|parameters: 0.1",
                "{model: tune1}|{model: BASE, parameters: 0.1}",
            })
    void parametersThatAreNoMappingAreRefused(String from, String to) {
        String others = ARITHMETIC.replace("{model: tune1}", "{model: tune1}, {model: BASE}");
        assertThat(others).contains(from);
        assertThatThrownBy(() -> read(others.replace(from, to)))
                .isInstanceOf(MalformedFileException.class)
                .hasMessageContaining("no mapping of names to values");
    }

    @Test
    void parametersWithNothingInThemAreNone() throws IOException {
        String some = ARITHMETIC.replace("{model: tune1}", "{model: tune1, parameters: }");
        MergeOptions options = read(some + "tokenizer: {source: base}\n").options();
        assertThat(options.weightOf(0, "x")).isEqualTo(0.4);
        assertThat(options.weightOf(1, "x")).isEqualTo(0.7);
        assertThat(read(LINEAR + "parameters:\ntokenizer:\n").options().normalise()).isTrue();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{weight: &p 0.4}}, {model: tune1, parameters: {weight: *p}}|*p",
                "{weight: &1 0.25}}, {model: tune1, parameters: {weight: *1}}|*1",
                "&own {weight: 0.4}}, {model: tune1, parameters: *own}|*own",
                "&own {weight: 0.4}}, {model: tune1, parameters: {<<: *own}}|*own",
            })
    void aliasesAreRefused(String parameters, String alias) {
        String second = "{weight: 0.4}}, {model: tune1}";
        assertThat(ARITHMETIC).contains(second);
        assertThatThrownBy(() -> read(ARITHMETIC.replace(second, parameters)))
                .isInstanceOf(UnsupportedFeatureException.class)
                .hasMessageContaining("line 2: a YAML alias ('%s')".formatted(alias))
                .extracting(e -> ((FormatException) e).help())
                .isEqualTo("write it out");
    }

    @Test
    void anchorsThatNobodyUsesMeanNothing() throws IOException {
        MergekitConfig config = read(LINEAR.replace("weight: 0.3", "weight: &w 0.3"));
        assertThat(config.options().weightOf(1, "x")).isEqualTo(0.3);
    }

    @Test
    void aliasesWithoutEndAreRefused() throws IOException {
        var text = new StringBuilder("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for (int i = 1; i < 12; i++) {
            text.append(
                    "a%d: &a%d [%s]\n".formatted(i, i, ("*a" + (i - 1) + ", ").repeat(9) + "x"));
        }
        Path file = write(text.toString());
        assertThatThrownBy(() -> MergekitConfig.read(file)).isInstanceOf(FormatException.class);
    }

    private MergekitConfig read(String yaml) throws IOException {
        return MergekitConfig.read(write(yaml));
    }

    private Path write(String yaml) throws IOException {
        return Files.writeString(folder.resolve("config.yml"), yaml);
    }
}
