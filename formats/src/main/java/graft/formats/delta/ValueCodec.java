package graft.formats.delta;

/** What is stored for each kept position. */
public enum ValueCodec {
    /** The model's own value, in the model's type: absolute, bit for bit. */
    EXACT("exact"),
    /** One bit, lowest first: 0 adds the tensor's scale to the base, 1 subtracts it. */
    SIGN("sign");

    private final String word;

    ValueCodec(String word) {
        this.word = word;
    }

    /** What the directory calls it. */
    public String word() {
        return word;
    }
}
