package graft.convert.archive;

import static org.assertj.core.api.Assertions.assertThat;

import graft.convert.ConversionException;
import graft.formats.FormatException;
import graft.formats.archive.ArchiveFile;
import graft.formats.archive.Manifest;
import graft.formats.archive.Run;

import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;

/**
 * Flips bits of an archive and cuts it short: verification notices every damage, unpacking never
 * hands out a wrong file, and salvaging restores each file that the damage does not touch. {@code
 * -Dgraft.damages=1000} runs the long form.
 */
class DamagedArchiveTest {
    private static final int DAMAGES = Integer.getInteger("graft.damages", 60);
    private static final long SEED = Long.getLong("graft.seed", 20261125);

    @TempDir Path folder;

    @Test
    void noDamageIsAcceptedAndNoIntactFileIsLost() throws IOException {
        Path good = folder.resolve("good.tar");
        Manifest manifest =
                Archives.pack(
                                good,
                                2,
                                Optional.empty(),
                                Archives.FAMILY.resolve("base"),
                                Archives.FAMILY.resolve("fft-pos"),
                                Archives.FAMILY.resolve("lora-pos"))
                        .manifest();
        byte[] bytes = Files.readAllBytes(good);
        Archives.unpack(good, folder.resolve("good"), Optional.empty(), false);
        Map<String, byte[]> contents = Archives.contents(folder.resolve("good"));
        var random = new Random(SEED);
        int restored = 0;
        int lost = 0;
        int refused = 0;
        for (int i = 0; i < DAMAGES; i++) {
            Damage damage = Damage.draw(random, bytes.length, manifest, i);
            Path bad = Files.write(folder.resolve("bad.tar"), damage.apply(bytes));
            String what = "seed %d, damage %d: %s".formatted(SEED, i, damage);
            assertThat(isNoticed(bad)).as(what).isTrue();
            assertUnpackedIsRight(bad, contents, what);
            Set<String> found = salvaged(bad, contents, what);
            for (ArchiveFile file : manifest.files()) {
                boolean touched = damage.touches(manifest, file);
                if (!touched) {
                    assertThat(found).as("%s, %s", what, file.path()).contains(file.path());
                }
                restored += found.contains(file.path()) ? 1 : 0;
                lost += found.contains(file.path()) ? 0 : 1;
            }
            refused += found.isEmpty() ? 1 : 0;
        }
        System.out.printf(
                "%d damages noticed, 0 accepted; %d files restored, %d damaged ones left out,"
                        + " %d archives with nothing intact%n",
                DAMAGES, restored, lost, refused);
    }

    private static boolean isNoticed(Path archive) throws IOException {
        try {
            return !Archives.verify(archive).failures().isEmpty();
        } catch (FormatException e) {
            return true;
        }
    }

    /** Damage outside of what is wanted may pass; a wrong byte may not. */
    private void assertUnpackedIsRight(Path archive, Map<String, byte[]> contents, String what)
            throws IOException {
        Path out = folder.resolve("out");
        try {
            Archives.unpack(archive, out, Optional.empty(), false);
        } catch (FormatException e) {
            return;
        }
        Map<String, byte[]> found = Archives.contents(out);
        assertThat(found.keySet()).as(what).isEqualTo(contents.keySet());
        contents.forEach((path, bytes) -> assertThat(found.get(path)).as(what).isEqualTo(bytes));
    }

    private Set<String> salvaged(Path archive, Map<String, byte[]> contents, String what)
            throws IOException {
        Path out = folder.resolve("salvaged");
        try {
            Archives.unpack(archive, out, Optional.empty(), true);
        } catch (FormatException | ConversionException.NothingMatched e) {
            return Set.of();
        }
        Map<String, byte[]> found = Archives.contents(out);
        found.forEach((path, bytes) ->
                assertThat(bytes).as("%s, %s", what, path).isEqualTo(contents.get(path)));
        return new HashSet<>(found.keySet());
    }

    /**
     * One or a few flipped bits, or the rest cut off.
     *
     * @param positions of flipped bytes, or null
     * @param length that is left
     */
    private record Damage(int @Nullable [] positions, int bit, int length) {
        static Damage draw(Random random, int length, Manifest manifest, int number) {
            if (number % 4 == 3) {
                return new Damage(null, 0, random.nextInt(length));
            }
            int[] positions = new int[1 + random.nextInt(3)];
            for (int i = 0; i < positions.length; i++) {
                // half of them anywhere, half near the start of a member: headers, tables
                ArchiveFile file = manifest.files().get(random.nextInt(manifest.files().size()));
                positions[i] =
                        random.nextBoolean()
                                ? random.nextInt(length)
                                : (int) file.at() - 1024 + random.nextInt(2048);
            }
            return new Damage(positions, random.nextInt(8), length);
        }

        byte[] apply(byte[] good) {
            byte[] bad = Arrays.copyOf(good, length);
            if (positions != null) {
                for (int position : Arrays.stream(positions).distinct().toArray()) {
                    bad[position] ^= (byte) (1 << bit);
                }
            }
            return bad;
        }

        boolean touches(Manifest manifest, ArchiveFile file) {
            boolean own =
                    positions == null
                            ? file.at() + file.stored() > length
                            : Arrays.stream(positions)
                                    .anyMatch(p -> p >= file.at() && p < file.at() + file.stored());
            boolean manifestLost =
                    positions != null
                            && Arrays.stream(positions)
                                    .anyMatch(p -> p < manifest.files().getFirst().at())
                            && Arrays.stream(positions)
                                    .anyMatch(p ->
                                            p
                                                    >= manifest.files().getLast().at()
                                                            + manifest.files().getLast().stored());
            boolean startLost = positions == null && length < manifest.files().getFirst().at();
            return own
                    || manifestLost
                    || startLost
                    || file.runs().stream()
                            .filter(run -> run.source() != Run.NONE)
                            .anyMatch(run -> touches(manifest, manifest.files().get(run.source())));
        }

        @Override
        public String toString() {
            return positions == null
                    ? "cut to %d bytes".formatted(length)
                    : "bit %d of bytes %s".formatted(bit, Arrays.toString(positions));
        }
    }
}
