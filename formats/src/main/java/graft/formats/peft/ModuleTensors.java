package graft.formats.peft;

import graft.formats.FileSpot;
import graft.formats.MalformedFileException;
import graft.formats.UnsupportedFeatureException;
import graft.formats.tensor.TensorInfo;

import org.jspecify.annotations.Nullable;

import java.util.HashMap;
import java.util.Map;

/**
 * The tensors of one module by role, handed out one by one, so that what nobody asked for is found.
 * Each must be of a type that Graft computes with and of a size that fits its arrays.
 */
final class ModuleTensors {
    private static final long LARGEST = 1L << 30;

    private final String module;
    private final AdapterWeights weights;
    private final Map<String, TensorInfo> byRole = new HashMap<>();
    private final TensorInfo any;

    ModuleTensors(String module, AdapterWeights weights, Map<String, TensorInfo> byRole) {
        this.module = module;
        this.weights = weights;
        this.byRole.putAll(byRole);
        this.any = byRole.values().iterator().next();
    }

    String module() {
        return module;
    }

    boolean has(String role) {
        return byRole.containsKey(role);
    }

    /** Hands out a tensor, if it is there. */
    @Nullable TensorInfo find(String role) throws UnsupportedFeatureException {
        TensorInfo found = byRole.remove(role);
        if (found != null && !found.dtype().isComputable()) {
            throw new UnsupportedFeatureException(
                    weights.spot(found),
                    "is of type " + found.dtype(),
                    "Graft computes with F16, BF16, F32 and F64");
        }
        return found;
    }

    /** Hands out a tensor that has to be there. */
    TensorInfo take(String role) throws graft.formats.FormatException {
        TensorInfo found = find(role);
        if (found == null) {
            throw new MalformedFileException(
                    weights.spot(any),
                    "has no %s beside it".formatted(role),
                    "the adapter is incomplete; get it again from its source");
        }
        if (found.shape().elements() < 1 || found.shape().elements() > LARGEST) {
            throw new MalformedFileException(weights.spot(found), "shape " + found.shape());
        }
        return found;
    }

    /** A matrix of two axes. */
    TensorInfo matrix(String role) throws graft.formats.FormatException {
        TensorInfo found = take(role);
        if (found.shape().rank() != 2) {
            throw problem(found, "shape %s is no matrix".formatted(found.shape()));
        }
        return found;
    }

    /** Refuses tensors that were not handed out. */
    void checkAllTaken() throws UnsupportedFeatureException {
        for (var left : byRole.entrySet()) {
            throw new UnsupportedFeatureException(
                    weights.spot(left.getValue()),
                    "%s has no place in this adapter".formatted(left.getKey()),
                    "its configuration does not ask for it; the two may belong to different adapters");
        }
    }

    MalformedFileException problem(TensorInfo tensor, String problem) {
        return new MalformedFileException(weights.spot(tensor), problem);
    }

    FileSpot spot(TensorInfo tensor) {
        return weights.spot(tensor);
    }
}
