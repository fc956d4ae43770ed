package graft.formats.peft;

import graft.formats.FormatException;
import graft.formats.MalformedFileException;
import graft.formats.UnsupportedFeatureException;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;

/**
 * Tensors of one module → a change that is not low-rank as stored.
 *
 * @param config of the adapter
 */
record DenseDecoder(AdapterConfig config) {
    DenseChange.AdaLora adaLora(ModuleTensors tensors) throws IOException {
        TensorInfo a = tensors.matrix("lora_A");
        TensorInfo b = tensors.matrix("lora_B");
        TensorInfo e = tensors.take("lora_E");
        long rank = a.shape().extent(0);
        if (b.shape().extent(1) != rank || e.shape().elements() != rank) {
            throw tensors.problem(
                    a, "ranks of A, B, E: %s, %s, %s".formatted(a.shape(), b.shape(), e.shape()));
        }
        double initial = config.initialRank();
        double alpha = config.defaultAlpha() > 0 ? config.defaultAlpha() : initial;
        return new DenseChange.AdaLora(tensors.module(), alpha, initial, a, b, e);
    }

    DenseChange.LoHa loHa(ModuleTensors tensors) throws IOException {
        checkNoCore(tensors, "hada_t1");
        TensorInfo w1a = tensors.matrix("hada_w1_a");
        TensorInfo w1b = tensors.matrix("hada_w1_b");
        TensorInfo w2a = tensors.matrix("hada_w2_a");
        TensorInfo w2b = tensors.matrix("hada_w2_b");
        long rank = w1b.shape().extent(0);
        boolean fits =
                w1a.shape().extent(1) == rank
                        && w2a.shape().equals(w1a.shape())
                        && w2b.shape().equals(w1b.shape());
        if (!fits) {
            throw tensors.problem(
                    w1a,
                    "shapes %s·%s and %s·%s do not fit"
                            .formatted(w1a.shape(), w1b.shape(), w2a.shape(), w2b.shape()));
        }
        checkRank(tensors, w1b, rank);
        return new DenseChange.LoHa(tensors.module(), scale(tensors), w1a, w1b, w2a, w2b);
    }

    DenseChange.LoKr loKr(ModuleTensors tensors) throws IOException {
        checkNoCore(tensors, "lokr_t2");
        return new DenseChange.LoKr(
                tensors.module(),
                scale(tensors),
                part(tensors, "lokr_w1"),
                part(tensors, "lokr_w2"));
    }

    private DenseChange.LoKr.Part part(ModuleTensors tensors, String role) throws IOException {
        if (tensors.has(role)) {
            TensorInfo whole = tensors.take(role);
            if (whole.shape().rank() < 2) {
                throw tensors.problem(whole, "shape %s is no matrix".formatted(whole.shape()));
            }
            return new DenseChange.LoKr.Part(whole, null);
        }
        TensorInfo first = tensors.matrix(role + "_a");
        TensorInfo second = tensors.matrix(role + "_b");
        if (first.shape().extent(1) != second.shape().extent(0)) {
            throw tensors.problem(
                    first, "shapes %s·%s do not fit".formatted(first.shape(), second.shape()));
        }
        checkRank(tensors, first, first.shape().extent(1));
        return new DenseChange.LoKr.Part(first, second);
    }

    private double scale(ModuleTensors tensors) {
        return config.scale(tensors.module(), config.rank(tensors.module()));
    }

    private void checkRank(ModuleTensors tensors, TensorInfo tensor, long rank)
            throws MalformedFileException {
        config.checkRank(tensors.spot(tensor), tensors.module(), rank);
    }

    private static void checkNoCore(ModuleTensors tensors, String role) throws FormatException {
        if (tensors.has(role)) {
            throw new UnsupportedFeatureException(
                    tensors.spot(tensors.take(role)),
                    "a convolution decomposed with a core (use_effective_conv2d) is not handled",
                    "merge the adapter into its base with PEFT first");
        }
    }

    DenseChange.Ia3 ia3(ModuleTensors tensors) throws IOException {
        TensorInfo l = tensors.take("ia3_l");
        long most = 1;
        for (long extent : l.shape().toArray()) {
            most = Math.max(most, extent);
        }
        if (most != l.shape().elements()) {
            throw tensors.problem(l, "shape %s is no vector".formatted(l.shape()));
        }
        return new DenseChange.Ia3(tensors.module(), l, config.isFeedforward(tensors.module()));
    }

    /**
     * @param shared projections of all modules
     */
    DenseChange.Vera vera(ModuleTensors tensors, TensorInfo a, TensorInfo b) throws IOException {
        TensorInfo lambdaB = tensors.take("vera_lambda_b");
        TensorInfo lambdaD = tensors.take("vera_lambda_d");
        long rank = a.shape().extent(0);
        boolean fits =
                b.shape().extent(1) == rank
                        && lambdaD.shape().elements() == rank
                        && lambdaB.shape().elements() <= b.shape().extent(0);
        if (!fits) {
            throw tensors.problem(
                    lambdaB,
                    "%s and %s do not fit the projections %s and %s"
                            .formatted(lambdaB.shape(), lambdaD.shape(), b.shape(), a.shape()));
        }
        checkRank(tensors, lambdaD, rank);
        return new DenseChange.Vera(tensors.module(), lambdaB, lambdaD, a, b);
    }
}
