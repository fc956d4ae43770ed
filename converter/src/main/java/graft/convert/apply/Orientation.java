package graft.convert.apply;

import graft.formats.peft.LoraModule;
import graft.formats.tensor.Shape;

/** How the weights of an adapter's linear layers are laid out. */
enum Orientation {
    /** (out, in), as {@code nn.Linear}. */
    OUT_IN,
    /** (in, out), as transformers' {@code Conv1D} in GPT-2. */
    IN_OUT,
    /** Neither. */
    NONE;

    /**
     * By shape; a square weight follows {@code otherwise}.
     *
     * @param otherwise what the layers that are not square have, or the configuration says
     */
    static Orientation of(Shape weight, LoraModule module, Orientation otherwise) {
        long matrix = 1;
        for (int axis = 2; axis < weight.rank(); axis++) {
            matrix *= weight.extent(axis);
        }
        if (weight.rank() < 2 || matrix != 1) {
            return NONE;
        }
        boolean outIn = weight.extent(0) == module.out() && weight.extent(1) == module.in();
        boolean inOut = weight.extent(0) == module.in() && weight.extent(1) == module.out();
        if (outIn && inOut) {
            return otherwise;
        }
        return outIn ? OUT_IN : inOut ? IN_OUT : NONE;
    }
}
