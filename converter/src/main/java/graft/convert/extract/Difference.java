package graft.convert.extract;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

import graft.convert.ConversionException;
import graft.convert.plan.TensorPair;
import graft.formats.FileSpot;
import graft.formats.checkpoint.Checkpoint;
import graft.formats.peft.LoraModule.Layer;
import graft.formats.peft.WholeTensor;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/**
 * What of a fine-tune can be given factors, what has to be replaced whole, and what is as it was.
 *
 * @param sites weights of layers, changed or not, by name
 * @param whole tensors that changed and are no such weights, or that the base lacks
 * @param unchanged tensors other than {@code sites} that are the base's, bit for bit
 * @param fanInFanOut whether the model stores linear weights (in, out)
 */
record Difference(
        List<Site> sites,
        List<WholeTensor> whole,
        List<TensorInfo> unchanged,
        boolean fanInFanOut) {
    /** Model types of transformers whose layers are its Conv1D, which stores (in, out). */
    private static final Set<String> CONV1D =
            Set.of("gpt2", "openai-gpt", "imagegpt", "decision_transformer");

    private static final String WEIGHT = ".weight";
    private static final String BIAS = ".bias";

    /**
     * @throws ConversionException.NothingMatched if the two share no tensor
     * @throws ConversionException.UnusableValues if something changed that no adapter can hold
     */
    static Difference between(Checkpoint base, Checkpoint model, ExtractRequest request)
            throws IOException {
        boolean conv1d = CONV1D.contains(modelType(request.base()));
        List<Site> sites = new ArrayList<>();
        List<WholeTensor> whole = new ArrayList<>();
        List<TensorInfo> unchanged = new ArrayList<>();
        int shared = 0;
        List<TensorInfo> sorted =
                model.tensors().stream().sorted(Comparator.comparing(TensorInfo::name)).toList();
        for (TensorInfo info : sorted) {
            Optional<TensorInfo> before = base.find(info.name());
            shared += before.isPresent() ? 1 : 0;
            Optional<Site> site =
                    before.filter(other -> TensorPair.isShared(other, info))
                            .flatMap(_ -> site(base, model, info, conv1d, request));
            if (site.isPresent()) {
                sites.add(site.get());
            } else if (before.isPresent() && isSame(base, model, before.get(), info)) {
                unchanged.add(info);
            } else if (info.name().endsWith(WEIGHT) || info.name().endsWith(BIAS)) {
                whole.add(new WholeTensor(info, model.bytes(info.name())));
            } else if (!request.factorsOnly()) {
                throw new ConversionException.UnusableValues(
                        "%s: %s changed and is neither a weight nor a bias of a module"
                                .formatted(request.source(), FileSpot.quote(info.name())),
                        "no adapter can hold it: store a sparse delta instead (graft sparsify),"
                                + " or leave it out with --factors-only");
            }
        }
        if (shared == 0) {
            throw new ConversionException.NothingMatched(
                    "%s and %s share no tensor of the same name"
                            .formatted(request.source(), request.baseSource()),
                    "check that this is the base the model was fine-tuned from");
        }
        withSiblings(sites, whole, unchanged, model);
        return new Difference(sites, whole, unchanged, conv1d);
    }

    /** A module is replaced with all it has: a norm's weight with its bias, changed or not. */
    private static void withSiblings(
            List<Site> sites,
            List<WholeTensor> whole,
            List<TensorInfo> unchanged,
            Checkpoint model) {
        Set<String> replaced = new TreeSet<>();
        whole.forEach(tensor -> replaced.add(module(tensor.info())));
        sites.forEach(site -> replaced.remove(site.module()));
        for (TensorInfo info : List.copyOf(unchanged)) {
            if (replaced.contains(module(info))) {
                unchanged.remove(info);
                whole.add(new WholeTensor(info, model.bytes(info.name())));
            }
        }
        whole.sort(Comparator.comparing(tensor -> tensor.info().name()));
    }

    private static Optional<Site> site(
            Checkpoint base,
            Checkpoint model,
            TensorInfo info,
            boolean conv1d,
            ExtractRequest request) {
        int axes = info.shape().rank();
        if (!info.name().endsWith(WEIGHT) || axes < 2 || info.shape().elements() == 0) {
            return Optional.empty();
        }
        String module = info.name().substring(0, info.name().length() - WEIGHT.length());
        if (Site.isVocabulary(module) && request.embeddings() == ExtractRequest.Embeddings.whole) {
            return Optional.empty();
        }
        boolean depthwise = axes > 2 && info.shape().extent(1) == 1;
        if (depthwise) {
            return Optional.empty(); // peft cannot merge a grouped convolution
        }
        boolean embedding = axes == 2 && Site.isEmbedding(module);
        Layer layer = axes > 2 ? Layer.CONVOLUTION : embedding ? Layer.EMBEDDING : Layer.LINEAR;
        boolean transposed =
                embedding || (conv1d && layer == Layer.LINEAR && !Site.isVocabulary(module));
        return Optional.of(
                new Site(module, layer, transposed, TensorPair.of(base, model, info.name())));
    }

    private static boolean isSame(
            Checkpoint base, Checkpoint model, TensorInfo before, TensorInfo after)
            throws IOException {
        if (before.equals(after)) {
            return base.bytes(before.name()).mismatch(model.bytes(after.name())) < 0;
        }
        if (!TensorPair.isShared(before, after)) {
            return false;
        }
        boolean[] same = {true};
        TensorPair.of(base, model, after.name())
                .walk((_, from, to, count) -> {
                    for (int i = 0; i < count; i++) {
                        same[0] &= from[i] == to[i];
                    }
                });
        return same[0];
    }

    private static String modelType(Path base) throws IOException {
        Path config = base.resolve("config.json");
        if (!Files.isRegularFile(config)) {
            return "";
        }
        JsonNode document = new ObjectMapper().readTree(config.toFile());
        return document.path("model_type").asText("");
    }

    /** Whether what is in {@link #whole} is a bias that peft saves as such, not with its module. */
    private boolean isBias(TensorInfo info) {
        return info.name().endsWith(BIAS)
                && sites.stream().anyMatch(site -> site.module().equals(module(info)));
    }

    /** Paths of modules to replace whole, sorted. */
    List<String> modulesToSave() {
        return whole.stream()
                .map(WholeTensor::info)
                .filter(info -> !isBias(info))
                .map(Difference::module)
                .distinct()
                .sorted()
                .toList();
    }

    /** Whether biases of layers that have, or might have had, factors changed. */
    boolean savesBiases() {
        return whole.stream().anyMatch(tensor -> isBias(tensor.info()));
    }

    /** The tensors of {@link #whole} under the names that peft gives them beside these modules. */
    List<WholeTensor> named(Set<String> factored) {
        List<WholeTensor> named = new ArrayList<>();
        for (WholeTensor tensor : whole) {
            TensorInfo info = tensor.info();
            boolean inside = isBias(info) && factored.contains(module(info));
            String name = inside ? module(info) + ".base_layer" + BIAS : info.name();
            named.add(
                    new WholeTensor(
                            new TensorInfo("base_model.model." + name, info.dtype(), info.shape()),
                            tensor.bytes()));
        }
        return named;
    }

    private static String module(TensorInfo info) {
        return info.name().substring(0, Math.max(0, info.name().lastIndexOf('.')));
    }
}
