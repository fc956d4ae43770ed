package graft.convert.extract;

import graft.convert.plan.TensorPair;
import graft.formats.peft.LoraModule;
import graft.formats.peft.LoraModule.Layer;
import graft.formats.tensor.DType;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import java.util.Locale;
import java.util.Set;

/**
 * A weight that can be given factors.
 *
 * @param module path of its module
 * @param layer what the module is
 * @param transposed whether it is stored (in, out): embeddings, and the linear layers of GPT-2
 * @param pair before and after
 */
record Site(String module, Layer layer, boolean transposed, TensorPair pair) {
    private static final String PREFIX = "base_model.model.";
    private static final Set<String> EMBEDDINGS = Set.of("wte", "wpe", "shared");
    private static final Set<String> HEADS = Set.of("lm_head", "embed_out");

    /** Whether the module of this path is an embedding or the head that undoes it, by its name. */
    static boolean isVocabulary(String module) {
        return isEmbedding(module) || HEADS.contains(last(module));
    }

    static boolean isEmbedding(String module) {
        String name = last(module);
        return EMBEDDINGS.contains(name) || (name.contains("embed") && !HEADS.contains(name));
    }

    private static String last(String module) {
        return module.substring(module.lastIndexOf('.') + 1).toLowerCase(Locale.ROOT);
    }

    private long firstExtent() {
        return pair.model().shape().extent(0);
    }

    private long otherExtents() {
        return pair.elements() / firstExtent();
    }

    int out() {
        return Math.toIntExact(transposed ? otherExtents() : firstExtent());
    }

    int in() {
        return Math.toIntExact(transposed ? firstExtent() : otherExtents());
    }

    /** The module with factors of this rank and of the fine-tune's type, as peft names them. */
    LoraModule atRank(int rank) {
        Shape shape = pair.model().shape();
        DType type = pair.model().dtype();
        boolean embedding = layer == Layer.EMBEDDING;
        String path = PREFIX + module + (embedding ? ".lora_embedding_" : ".lora_");
        String ending = embedding ? "" : ".weight";
        long[] ofA = {rank, in()};
        long[] ofB = {out(), rank};
        if (layer == Layer.CONVOLUTION) {
            ofA = shape.toArray();
            ofA[0] = rank;
            ofB = new long[shape.rank()];
            java.util.Arrays.fill(ofB, 1);
            ofB[0] = out();
            ofB[1] = rank;
        }
        return new LoraModule(
                module,
                layer,
                out(),
                in(),
                rank,
                1,
                new TensorInfo(path + "A" + ending, type, Shape.of(ofA)),
                new TensorInfo(path + "B" + ending, type, Shape.of(ofB)),
                null,
                null);
    }
}
