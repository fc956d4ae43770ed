package graft.convert.export;

import graft.formats.checkpoint.Checkpoint;
import graft.formats.onnx.OnnxModel;
import graft.formats.tensor.TensorInfo;
import graft.formats.tensor.TensorSource;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Tells which initializer of a graph holds which tensor of a checkpoint, and writes nothing.
 * Stateless, safe from any thread.
 */
public final class BindGraph {
    /**
     * What was found, as plain values for JSON.
     *
     * @param isSameBase whether the graph holds no tensor with other values than the checkpoint's
     */
    public record Report(boolean isSameBase, Map<String, Object> document) {}

    /**
     * @param graph if empty, looked for in the checkpoint's folder
     */
    public Report run(Path checkpoint, Optional<Path> graph) throws IOException {
        Path file = graph.isPresent() ? graph.get() : GraphFinder.find(List.of(checkpoint));
        try (var model = OnnxModel.open(file);
                var base = Checkpoint.open(checkpoint)) {
            return report(model, base, GraphBinding.bind(model, base));
        }
    }

    private static Report report(OnnxModel graph, TensorSource base, GraphBinding binding) {
        List<Map<String, Object>> bindings = new ArrayList<>();
        binding.bindings().forEach(one -> bindings.add(entry(one)));
        List<Map<String, Object>> differing = new ArrayList<>();
        binding.differing().forEach(one -> differing.add(entry(one)));
        Map<String, Object> document = new LinkedHashMap<>();
        document.put("graph", graph.name());
        document.put("base", base.name());
        document.put("bindings", bindings);
        document.put("differing", differing);
        document.put("unboundInitializers", List.copyOf(binding.unboundInitializers()));
        document.put("unboundTensors", List.copyOf(binding.unboundTensors()));
        document.put("coverage", coverage(graph, base, binding));
        return new Report(binding.differing().isEmpty(), document);
    }

    private static Map<String, Object> entry(Binding binding) {
        Map<String, Object> entry = new LinkedHashMap<>();
        entry.put("initializer", binding.initializer());
        entry.put("tensor", binding.tensor());
        entry.put("transform", binding.layout().word());
        entry.put("how", binding.how().name().toLowerCase(java.util.Locale.ROOT));
        if (!binding.uses().isEmpty()) {
            entry.put("uses", binding.uses().size());
        }
        return entry;
    }

    private static Map<String, Object> coverage(
            OnnxModel graph, TensorSource base, GraphBinding binding) {
        Set<String> bound = new HashSet<>();
        binding.bindings().forEach(one -> bound.add(one.initializer()));
        long elements = 0;
        long covered = 0;
        for (TensorInfo info : graph.tensors()) {
            if (info.dtype().isComputable()) {
                elements += info.shape().elements();
                covered += bound.contains(info.name()) ? info.shape().elements() : 0;
            }
        }
        Map<String, Object> coverage = new LinkedHashMap<>();
        coverage.put("tensors", binding.boundTensors());
        coverage.put("tensorsOf", base.tensors().size());
        coverage.put("initializers", bound.size());
        coverage.put("initializersOf", bound.size() + binding.unboundInitializers().size());
        coverage.put("elements", covered);
        coverage.put("elementsOf", elements);
        return coverage;
    }
}
