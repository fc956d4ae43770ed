package graft.formats.delta;

import java.nio.charset.StandardCharsets;
import java.util.zip.CRC32;

/**
 * Uniform numbers in [0, 1) that depend on tensor, seed and index alone: any of them can be drawn
 * by itself, in any order, on any thread. The mixing is that of splitmix64 (Steele, Lea, Flood
 * 2014); the counter is {@code (crc32(name) << 32 | seed) + index}. A value, safe from any thread.
 */
public final class CounterRandom {
    /** Seeds are below this. */
    public static final long SEEDS = 1L << 32;

    private static final long GOLDEN = 0x9E3779B97F4A7C15L;

    private final long start;

    /**
     * @param name tensor, hashed as UTF-8
     * @param seed from 0, below 2^32
     */
    public CounterRandom(String name, long seed) {
        if (seed < 0 || seed >= SEEDS) {
            throw new IllegalArgumentException("seed %d outside 0..2^32-1".formatted(seed));
        }
        var crc = new CRC32();
        crc.update(name.getBytes(StandardCharsets.UTF_8));
        this.start = crc.getValue() << 32 | seed;
    }

    /** The number of element {@code index}; a multiple of 2^-53. */
    public double at(long index) {
        long z = (start + index) * GOLDEN;
        z = (z ^ z >>> 30) * 0xBF58476D1CE4E5B9L;
        z = (z ^ z >>> 27) * 0x94D049BB133111EBL;
        z ^= z >>> 31;
        return (z >>> 11) * 0x1p-53;
    }
}
