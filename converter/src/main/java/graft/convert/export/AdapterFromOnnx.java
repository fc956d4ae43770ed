package graft.convert.export;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;

import graft.convert.ConversionException;
import graft.convert.ledger.Ledger;
import graft.convert.ledger.LedgerWriter;
import graft.convert.plan.Inputs;
import graft.formats.FileSpot;
import graft.formats.MalformedFileException;
import graft.formats.UnsupportedFeatureException;
import graft.formats.onnx.OnnxAdapter;
import graft.formats.peft.AdapterConfig;
import graft.formats.peft.PeftAdapter;
import graft.formats.safetensors.SafetensorsWriter;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import org.jspecify.annotations.Nullable;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * Turns an {@code .onnx_adapter} of any naming profile back into a PEFT adapter. The scale was
 * multiplied into B and stays there: α = r for every module. Stateless, safe from any thread.
 */
public final class AdapterFromOnnx {
    private static final ObjectMapper JSON =
            JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT).build();

    private static final Map<String, String> METADATA = Map.of("format", "pt");

    /**
     * A module's factors.
     *
     * @param a features read, the extents of a kernel behind them, and rank
     * @param b rank and features written
     */
    private record Pair(TensorInfo a, TensorInfo b, boolean gathers) {
        int rank() {
            return Math.toIntExact(a.shape().extent(a.shape().rank() - 1));
        }

        /** PEFT's A: the rank first. */
        TensorInfo peftA(String module) {
            long[] was = a.shape().toArray();
            long[] extents = new long[was.length];
            extents[0] = was[was.length - 1];
            System.arraycopy(was, 0, extents, 1, was.length - 1);
            return new TensorInfo(name(module, 'A'), a.dtype(), Shape.of(extents));
        }

        /** PEFT's B, with a 1 for each extent of a kernel. */
        TensorInfo peftB(String module) {
            long[] extents = new long[a.shape().rank()];
            Arrays.fill(extents, 1);
            extents[0] = b.shape().extent(1);
            extents[1] = rank();
            return new TensorInfo(name(module, 'B'), b.dtype(), Shape.of(extents));
        }

        private String name(String module, char factor) {
            return module + (gathers ? ".lora_embedding_" + factor : ".lora_" + factor + ".weight");
        }
    }

    /**
     * @param base name of the base model for the configuration, or null
     * @throws UnsupportedFeatureException if a parameter is no factor of a layer
     * @throws MalformedFileException if a factor lacks its partner, or does not fit it
     */
    public Ledger run(
            List<ExportRequest.Named> sources, @Nullable String base, Path output, boolean force)
            throws IOException {
        if (sources.size() != 1 || !OnnxAdapter.isAt(sources.getFirst().path())) {
            throw new ConversionException.NothingMatched(
                    "%s is not one .onnx_adapter file"
                            .formatted(sources.stream().map(ExportRequest.Named::source).toList()),
                    "give one file that ends in .onnx_adapter");
        }
        ExportRequest.Named source = sources.getFirst();
        try (var adapter = OnnxAdapter.open(source.path());
                var staged = Inputs.stage(output, force)) {
            Map<String, Pair> modules = pairs(adapter);
            write(adapter, modules, base, staged.path());
            PeftAdapter.open(staged.path()).close(); // it reads as what it claims to be
            Map<String, Object> result = new TreeMap<>();
            result.put("task", output.getFileName().toString());
            result.put("adapter", PeftAdapter.WEIGHTS);
            result.put("modules", modules.size());
            result.put("bytes", Files.size(staged.path().resolve(PeftAdapter.WEIGHTS)));
            var ledger =
                    new Ledger(
                            "export",
                            Inputs.of("adapter", source.source(), List.of(source.path())),
                            Map.of("mode", "peft"),
                            LedgerWriter.outputs(staged.path()),
                            List.of(),
                            Map.of(),
                            List.of(result),
                            List.of());
            LedgerWriter.write(staged.path(), ledger, Map.of());
            staged.commit();
            return ledger;
        }
    }

    private static Map<String, Pair> pairs(OnnxAdapter adapter) throws IOException {
        Map<String, TensorInfo> a = new TreeMap<>();
        Map<String, TensorInfo> b = new TreeMap<>();
        Set<String> embeddings = new HashSet<>();
        for (TensorInfo info : adapter.tensors()) {
            var spot = FileSpot.of(adapter.name()).tensor(info.name());
            SlotNames.Parsed parsed =
                    SlotNames.parse(info.name())
                            .filter(name -> isFactor(name.factor(), info))
                            .orElseThrow(() ->
                                    new UnsupportedFeatureException(
                                            spot,
                                            "is no float factor of a layer",
                                            "whole tensors, such as heads, and quantised adapters have no PEFT form here"));
            (parsed.factor() == SlotNames.Factor.A ? a : b).put(parsed.module(), info);
            if (parsed.gathers()) {
                embeddings.add(parsed.module());
            }
        }
        Map<String, Pair> pairs = new TreeMap<>();
        for (var entry : a.entrySet()) {
            TensorInfo left = entry.getValue();
            TensorInfo right = b.remove(entry.getKey());
            if (right == null
                    || right.shape().extent(0) != left.shape().extent(left.shape().rank() - 1)
                    || right.dtype() != left.dtype()) {
                throw new MalformedFileException(
                        FileSpot.of(adapter.name()).tensor(left.name()),
                        "has no lora_B of its rank and type beside it");
            }
            var pair = new Pair(left, right, embeddings.contains(entry.getKey()));
            pairs.put(SlotNames.peftModule(entry.getKey()), pair);
        }
        for (TensorInfo alone : b.values()) {
            throw new MalformedFileException(
                    FileSpot.of(adapter.name()).tensor(alone.name()), "has no lora_A beside it");
        }
        pairs.values().removeIf(pair -> pair.rank() == 0);
        if (pairs.isEmpty()) {
            throw new MalformedFileException(FileSpot.of(adapter.name()), "holds no factors");
        }
        return pairs;
    }

    private static void write(
            OnnxAdapter adapter, Map<String, Pair> modules, @Nullable String base, Path folder)
            throws IOException {
        Map<TensorInfo, TensorInfo> sources = new LinkedHashMap<>();
        for (var entry : modules.entrySet()) {
            String module = "base_model.model." + entry.getKey();
            Pair pair = entry.getValue();
            sources.put(pair.peftA(module), pair.a());
            sources.put(pair.peftB(module), pair.b());
        }
        Path weights = folder.resolve(PeftAdapter.WEIGHTS);
        try (var out = SafetensorsWriter.create(weights, sources.keySet(), METADATA)) {
            for (var entry : sources.entrySet()) {
                TensorInfo info = entry.getKey();
                TensorInfo from = entry.getValue();
                try (Arena arena = Arena.ofConfined()) {
                    MemorySegment bytes = adapter.bytes(from.name());
                    TensorInfo matrix = matrix(from);
                    var turned =
                            new TensorInfo(
                                    info.name(),
                                    info.dtype(),
                                    Layout.TRANSPOSE.lying(matrix.shape()));
                    var target =
                            ExportPlan.Target.alone(
                                    turned, Layout.TRANSPOSE, ModelChanges.whole(matrix, bytes));
                    out.write(info.name(), 0, Materialised.of(target, bytes, arena));
                }
            }
        }
        Files.writeString(
                folder.resolve(AdapterConfig.FILE_NAME),
                config(modules, base).toPrettyString() + "\n");
    }

    /** All axes but the last one taken as rows. */
    private static TensorInfo matrix(TensorInfo factor) {
        long[] extents = factor.shape().toArray();
        long rows = 1;
        for (int axis = 0; axis < extents.length - 1; axis++) {
            rows *= extents[axis];
        }
        Shape shape = Shape.of(rows, extents[extents.length - 1]);
        return new TensorInfo(factor.name(), factor.dtype(), shape);
    }

    private static boolean isFactor(SlotNames.Factor factor, TensorInfo info) {
        int axes = info.shape().rank();
        return info.dtype().isComputable()
                && (factor == SlotNames.Factor.A ? axes >= 2 : axes == 2);
    }

    private static ObjectNode config(Map<String, Pair> modules, @Nullable String base) {
        int common = modules.values().iterator().next().rank();
        ObjectNode config = JSON.createObjectNode();
        config.put("base_model_name_or_path", base);
        config.put("bias", "none");
        config.put("fan_in_fan_out", false);
        config.put("inference_mode", true);
        config.put("lora_alpha", common);
        config.put("peft_type", "LORA");
        config.put("r", common);
        ObjectNode pattern = JSON.createObjectNode();
        modules.forEach((module, pair) -> {
            if (pair.rank() != common) {
                pattern.put("^" + module.replaceAll("[^A-Za-z0-9_]", "\\\\$0"), pair.rank());
            }
        });
        config.set("alpha_pattern", pattern);
        config.set("rank_pattern", pattern.deepCopy());
        var targets = config.putArray("target_modules");
        modules.keySet().forEach(targets::add);
        config.putNull("task_type");
        return config;
    }
}
