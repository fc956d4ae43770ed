package graft.convert.apply;

import com.fasterxml.jackson.databind.JsonNode;

import graft.formats.checkpoint.Checkpoint;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;
import graft.formats.tensor.TensorInfo;
import graft.formats.tensor.TensorSource;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/**
 * Compares a merged checkpoint with a reference's. Tensors that the golden lacks must be the
 * base's, bit for bit; where a golden is only hashes, so must all be.
 *
 * @param tensors tensors that differ from the base
 * @param elements of those
 * @param different elements that are not bit-equal
 * @param worst largest share of the tolerance that is used up; in ulp for 16-bit bases
 * @param mismatch what is wrong; empty if the tolerance is kept
 */
record Golden(int tensors, long elements, long different, double worst, String mismatch) {
    /** Where a golden is: tensors in a file, or hashes of tensors in the case's own document. */
    static Golden compare(Path merged, Path base, Path golden, JsonNode hashes, JsonNode tolerance)
            throws IOException {
        boolean isFile = Files.exists(golden);
        try (var got = Checkpoint.open(merged);
                var before = Checkpoint.open(base);
                var expected = isFile ? Checkpoint.open(golden) : Checkpoint.open(base)) {
            var comparison =
                    new Comparison(
                            got,
                            before,
                            isFile ? Optional.of(expected) : Optional.empty(),
                            hashes,
                            tolerance);
            return comparison.run();
        }
    }

    private static final class Comparison {
        private final TensorSource got;
        private final TensorSource base;
        private final Optional<? extends TensorSource> golden;
        private final JsonNode hashes;
        private final JsonNode tolerance;
        private int tensors;
        private long elements;
        private long different;
        private double worst;
        private String mismatch = "";

        Comparison(
                TensorSource got,
                TensorSource base,
                Optional<? extends TensorSource> golden,
                JsonNode hashes,
                JsonNode tolerance) {
            this.got = got;
            this.base = base;
            this.golden = golden;
            this.hashes = hashes;
            this.tolerance = tolerance;
        }

        Golden run() throws IOException {
            Set<String> names = new TreeSet<>();
            base.tensors().forEach(info -> names.add(info.name()));
            golden.ifPresent(g -> g.tensors().forEach(info -> names.add(info.name())));
            hashes.fieldNames().forEachRemaining(names::add);
            Set<String> found = new TreeSet<>();
            got.tensors().forEach(info -> found.add(info.name()));
            if (!found.equals(names)) {
                note("tensors " + found + " instead of " + names);
                return result();
            }
            for (String name : names) {
                compare(name);
            }
            double limit = tolerance.path("max_mismatch_fraction").asDouble(1);
            if (elements > 0 && (double) different / elements > limit) {
                note("%d of %d elements differ".formatted(different, elements));
            }
            return result();
        }

        private Golden result() {
            return new Golden(tensors, elements, different, worst, mismatch);
        }

        private void note(String problem) {
            mismatch = mismatch.isEmpty() ? problem : mismatch;
        }

        private void compare(String name) throws IOException {
            MemorySegment bytes = got.bytes(name);
            if (hashes.has(name)) {
                tensors++;
                elements += got.find(name).orElseThrow().shape().elements();
                if (!hash(bytes).equals(hashes.get(name).asText())) {
                    note(name + ": not bit-equal to the reference");
                }
                return;
            }
            Optional<TensorInfo> expected = golden.flatMap(g -> g.find(name));
            if (expected.isEmpty()) {
                if (bytes.mismatch(base.bytes(name)) != -1) {
                    note(name + ": differs from the base and should not");
                }
                return;
            }
            TensorInfo info = got.find(name).orElseThrow();
            if (!info.shape().equals(expected.get().shape())
                    || info.dtype() != expected.get().dtype()) {
                note("%s is %s, not %s".formatted(name, info, expected.get()));
                return;
            }
            MemorySegment wanted = golden.orElseThrow().bytes(name);
            boolean isBase =
                    base.find(name).filter(i -> i.equals(info)).isPresent()
                            && wanted.mismatch(base.bytes(name)) == -1;
            if (isBase) {
                if (bytes.mismatch(wanted) != -1) {
                    note(name + ": differs from the base and should not");
                }
                return;
            }
            tensors++;
            elements(name, info, bytes, wanted);
        }

        private void elements(String name, TensorInfo info, MemorySegment a, MemorySegment b) {
            int count = (int) info.shape().elements();
            float[] x = floats(info, a, count);
            float[] y = floats(info, b, count);
            elements += count;
            for (int i = 0; i < count; i++) {
                if (Float.floatToRawIntBits(x[i]) == Float.floatToRawIntBits(y[i])) {
                    continue;
                }
                different++;
                double used =
                        tolerance.has("ulp")
                                ? ulps(info.dtype(), x[i], y[i]) / tolerance.get("ulp").asDouble()
                                : Math.abs((double) x[i] - y[i])
                                        / (tolerance.get("abs").asDouble()
                                                + tolerance.get("rel").asDouble() * Math.abs(y[i]));
                worst = Math.max(worst, used);
                if (!(used <= 1)) {
                    note("%s[%d]: %s instead of %s".formatted(name, i, x[i], y[i]));
                }
            }
        }

        private static float[] floats(TensorInfo info, MemorySegment bytes, int count) {
            float[] values = new float[count];
            Elements.widen(info.dtype(), bytes, 0, values, 0, count);
            return values;
        }

        private static double ulps(DType type, float x, float y) {
            return Math.abs(ordered(type, x) - ordered(type, y));
        }

        /** Neighbouring values of the type are neighbouring integers. */
        private static double ordered(DType type, float value) {
            int bits =
                    type == DType.F16
                            ? Float.floatToFloat16(value) & 0xffff
                            : Float.floatToRawIntBits(value) >>> 16;
            return (bits & 0x8000) != 0 ? -(bits & 0x7fff) : bits;
        }
    }

    static String hash(MemorySegment bytes) throws IOException {
        try {
            var digest = java.security.MessageDigest.getInstance("SHA-256");
            digest.update(bytes.asByteBuffer());
            return HexFormat.of().formatHex(digest.digest());
        } catch (java.security.NoSuchAlgorithmException e) {
            throw new IOException(e);
        }
    }
}
