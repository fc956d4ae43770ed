package graft.formats.peft;

import graft.formats.FormatException;
import graft.formats.UnsupportedFeatureException;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import org.jspecify.annotations.Nullable;

import java.io.IOException;
import java.util.List;
import java.util.OptionalDouble;

/**
 * Factors of one module → its LoRA update, checked against the configuration.
 *
 * @param config of the adapter, or of the module's component
 * @param isAuthority whether the configuration was written for these tensors; if not, the ranks are
 *     those of the tensors and the scale is 1 or what α makes it
 */
record LoraDecoder(AdapterConfig config, boolean isAuthority) {
    private static final String BASE_LAYER = ".base_layer";

    /**
     * @param path of the module in the base, which patterns match
     * @param alpha the module's own α, if its dialect stores one
     */
    AdapterChange decode(ModuleTensors tensors, String path, OptionalDouble alpha)
            throws IOException {
        if (tensors.has("lora_embedding_A") || tensors.has("lora_embedding_B")) {
            return module(
                    tensors,
                    path,
                    LoraModule.Layer.EMBEDDING,
                    tensors.take("lora_embedding_A"),
                    tensors.take("lora_embedding_B"),
                    alpha);
        }
        TensorInfo a = tensors.take("lora_A");
        TensorInfo b = tensors.take("lora_B");
        String owner = path;
        int depth = 0;
        while (owner.endsWith(BASE_LAYER)) {
            owner = owner.substring(0, owner.length() - BASE_LAYER.length());
            depth++;
        }
        List<LoraParameter.Candidate> candidates = candidates(owner, a);
        if (!candidates.isEmpty()) {
            checkPair(tensors, a, b);
            checkMatrix(tensors, a);
            return new LoraParameter(owner, depth, candidates, a, b);
        }
        var layer = a.shape().rank() > 2 ? LoraModule.Layer.CONVOLUTION : LoraModule.Layer.LINEAR;
        return module(tensors, path, layer, a, b, alpha);
    }

    private List<LoraParameter.Candidate> candidates(String owner, TensorInfo a) {
        return config.targetParameters().stream()
                .filter(target -> target.contains("."))
                .filter(target -> {
                    String module = target.substring(0, target.lastIndexOf('.'));
                    return owner.equals(module) || owner.endsWith("." + module);
                })
                .map(target -> {
                    String tensor = owner + target.substring(target.lastIndexOf('.'));
                    int rank = config.rank(tensor);
                    return new LoraParameter.Candidate(
                            tensor, rank, config.scale(tensor, Math.max(1, rank)));
                })
                .filter(c -> c.rank() > 0 && a.shape().extent(0) % c.rank() == 0)
                .distinct()
                .toList();
    }

    private LoraModule module(
            ModuleTensors tensors,
            String path,
            LoraModule.Layer layer,
            TensorInfo a,
            TensorInfo b,
            OptionalDouble alpha)
            throws IOException {
        checkPair(tensors, a, b);
        int rank = (int) a.shape().extent(0);
        if (isAuthority) {
            config.checkRank(tensors.spot(a), path, rank);
        }
        int out = (int) b.shape().extent(0);
        int in = (int) (a.shape().elements() / rank);
        double scale = isAuthority ? config.scale(path, rank) : alpha.orElse(rank) / rank;
        if (!Double.isFinite(scale)) {
            throw tensors.problem(a, "scale " + scale);
        }
        return new LoraModule(
                tensors.module(),
                layer,
                out,
                in,
                rank,
                scale,
                a,
                b,
                magnitude(tensors, out),
                bias(tensors, out));
    }

    private static void checkPair(ModuleTensors tensors, TensorInfo a, TensorInfo b)
            throws FormatException {
        if (a.dtype() != b.dtype()) {
            throw new UnsupportedFeatureException(
                    tensors.spot(a),
                    "factors of type %s and %s".formatted(a.dtype(), b.dtype()),
                    "save both in one type");
        }
        int axes = a.shape().rank();
        if (axes < 2 || axes != b.shape().rank() || !isPointwise(b.shape())) {
            throw tensors.problem(
                    a, "shapes %s and %s are no A and B".formatted(a.shape(), b.shape()));
        }
        if (a.shape().extent(0) != b.shape().extent(1)) {
            throw tensors.problem(
                    a,
                    "A has rank %d, B has %d: %s, %s"
                            .formatted(
                                    a.shape().extent(0),
                                    b.shape().extent(1),
                                    a.shape(),
                                    b.shape()));
        }
    }

    /** B of a convolution has a kernel of ones. */
    private static boolean isPointwise(Shape b) {
        for (int axis = 2; axis < b.rank(); axis++) {
            if (b.extent(axis) != 1) {
                return false;
            }
        }
        return true;
    }

    private static void checkMatrix(ModuleTensors tensors, TensorInfo a) throws FormatException {
        if (a.shape().rank() != 2) {
            throw tensors.problem(a, "shape %s for a parameter".formatted(a.shape()));
        }
    }

    private @Nullable TensorInfo magnitude(ModuleTensors tensors, int out) throws IOException {
        if (!config.usesDora()) {
            return null; // one that is there is refused as unasked for
        }
        TensorInfo magnitude = tensors.take("lora_magnitude_vector");
        if (magnitude.shape().elements() != out) {
            throw tensors.problem(
                    magnitude, "shape %s for %d outputs".formatted(magnitude.shape(), out));
        }
        return magnitude;
    }

    private @Nullable TensorInfo bias(ModuleTensors tensors, int out) throws IOException {
        if (!config.hasLoraBias()) {
            return null;
        }
        TensorInfo bias = tensors.find("lora_B.bias");
        if (bias != null && bias.shape().elements() != out) {
            throw tensors.problem(bias, "shape %s for %d outputs".formatted(bias.shape(), out));
        }
        return bias;
    }
}
