package graft.formats.peft;

/**
 * For whom an adapter's ranks and scales are written down. The scale is in the factors of all of
 * them; they differ in how a reader learns that.
 *
 * <table>
 * <caption>Who computes the right ΔW</caption>
 * <tr><td></td><td>PEFT</td><td>reads only r and lora_alpha (vLLM)</td><td>llama.cpp</td></tr>
 * <tr><td>pattern</td><td>yes</td><td>if all ranks are equal</td><td>if all ranks are equal</td></tr>
 * <tr><td>uniform</td><td>yes</td><td>yes</td><td>yes</td></tr>
 * <tr><td>gguf</td><td>yes</td><td>no</td><td>yes</td></tr>
 * </table>
 */
public enum AdapterProfile {
    /** α = r; other ranks than the commonest in {@code rank_pattern} and {@code alpha_pattern}. */
    pattern,
    /** Every module padded with zeros to the largest rank, α = r, no patterns. */
    uniform,
    /**
     * {@code lora_alpha} 0, which llama.cpp (its converter copies nothing else) takes for "already
     * scaled"; {@code alpha_pattern} names every module, so that PEFT gets α = r.
     */
    gguf,
    /**
     * sd-scripts: one file of {@code lora_down}, {@code lora_up} and an {@code alpha} per module,
     * which is its rank. What comes in this form stays in it.
     */
    kohya,
    /**
     * diffusers' single file, its names as they were, padded as {@link #uniform} is: readers take
     * scale 1 for granted, and some take the first rank for all. What comes in this form stays in
     * it.
     */
    diffusers;

    /** Whether every module is stored at the largest rank. */
    public boolean isPadded() {
        return this == uniform || this == diffusers;
    }

    /** Name of the file of weights. */
    public String weights() {
        return switch (this) {
            case pattern, uniform, gguf -> PeftAdapter.WEIGHTS;
            case kohya -> "lora.safetensors";
            case diffusers -> AdapterFiles.DIFFUSERS;
        };
    }
}
