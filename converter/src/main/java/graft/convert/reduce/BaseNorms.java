package graft.convert.reduce;

import graft.convert.ConversionException;
import graft.convert.plan.Workers;
import graft.formats.FileSpot;
import graft.formats.checkpoint.Checkpoint;
import graft.formats.tensor.Elements;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** ‖W‖ of base weights: what an adapter's update is small or large against. */
final class BaseNorms {
    private static final int TILE = 1 << 14;

    private BaseNorms() {}

    /**
     * @return the Frobenius norm of each module's weight; 1 for a weight of zeros
     * @throws ConversionException.BaseMismatch if the base lacks one
     */
    static Map<String, Double> of(ReduceRequest.Base base, List<String> modules, Workers workers)
            throws IOException {
        try (var checkpoint = Checkpoint.open(base.path())) {
            List<Double> norms =
                    workers.map(
                            modules,
                            module -> {
                                TensorInfo weight =
                                        checkpoint
                                                .find(module + ".weight")
                                                .filter(info -> info.dtype().isComputable())
                                                .orElseThrow(() -> missing(base, module));
                                return norm(weight, checkpoint.bytes(weight.name()));
                            });
            Map<String, Double> byModule = new HashMap<>();
            for (int i = 0; i < modules.size(); i++) {
                byModule.put(modules.get(i), norms.get(i));
            }
            return byModule;
        }
    }

    private static ConversionException missing(ReduceRequest.Base base, String module) {
        return new ConversionException.BaseMismatch(
                "%s has no weight of module %s".formatted(base.name(), FileSpot.quote(module)),
                "give the base that the adapter was trained on");
    }

    private static double norm(TensorInfo info, MemorySegment bytes) {
        float[] tile = new float[TILE];
        double sum = 0;
        for (long first = 0; first < info.shape().elements(); first += TILE) {
            int count = (int) Math.min(TILE, info.shape().elements() - first);
            Elements.widen(info.dtype(), bytes, first, tile, 0, count);
            double part = 0;
            for (int i = 0; i < count; i++) {
                part += (double) tile[i] * tile[i];
            }
            sum += part;
        }
        return sum > 0 ? Math.sqrt(sum) : 1;
    }
}
