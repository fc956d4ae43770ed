package graft.convert.archive;

import graft.convert.archive.References.Place;
import graft.formats.FormatException;
import graft.formats.archive.ArchiveFile.Storage;
import graft.formats.archive.ArchiveWriter;
import graft.formats.archive.BlockEncoder;
import graft.formats.archive.ElementType;
import graft.formats.archive.Manifest;
import graft.formats.archive.Run;

import org.jspecify.annotations.Nullable;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * Decides for every file what its bytes hold and what they may refer to, from headers and samples.
 */
final class PackPlan {
    /** Files up to this size stay as they are: configurations are read with any tool. */
    private static final long SMALL_BYTES = 1 << 15;

    private static final Pattern TORCH = Pattern.compile("(?i)\\.(bin|pth?|ckpt)$");
    private static final int SAMPLE_BYTES = 1 << 18;
    private static final double WORTH = 0.9;

    private final Base base;
    private final References references = new References();
    private final List<SourceFile> files = new ArrayList<>();
    private final List<ArchiveWriter.Planned> planned = new ArrayList<>();
    private final List<String> warnings = new ArrayList<>();

    /** Longest chain of references from each source, bases first. */
    private final List<Integer> depths = new ArrayList<>();

    /** Of the file that is being planned: the longest chain so far, and the longest elsewhere. */
    private int longest;

    private int elsewhere;

    private PackPlan(Base base) {
        this.base = base;
        for (int i = 0; i < base.bytes().size(); i++) {
            depths.add(0);
            for (TensorRange tensor : base.tensors().get(i)) {
                references.similar(tensor.key(), new Place(i, tensor.offset()));
            }
        }
    }

    static PackPlan of(Map<String, Path> sources, Base base, MappedFiles mapped)
            throws IOException {
        var plan = new PackPlan(base);
        for (var source : sources.entrySet()) {
            var file =
                    new SourceFile(
                            source.getKey(), source.getValue(), mapped.map(source.getValue()));
            plan.add(file, source.getValue());
        }
        return plan;
    }

    List<SourceFile> files() {
        return files;
    }

    List<ArchiveWriter.Planned> planned() {
        return planned;
    }

    List<String> warnings() {
        return warnings;
    }

    /** The bytes that a run's source stands for. */
    MemorySegment source(int source) {
        int bases = base.bytes().size();
        return source < bases ? base.bytes().get(source) : files.get(source - bases).bytes();
    }

    private void add(SourceFile file, Path path) throws IOException {
        int source = base.bytes().size() + files.size();
        long size = file.bytes().byteSize();
        longest = 0;
        elsewhere = 0;
        Place same = near(references.equal(file.bytes(), new Place(source, 0)));
        if (same != null) {
            refer(same);
            plan(file, Storage.CODED, copy(size, same));
        } else if (path.toString().endsWith(".safetensors") && size > 0) {
            safetensors(file, path, source);
        } else if (TORCH.matcher(path.toString()).find() && size > SMALL_BYTES) {
            torch(file, path, source);
        } else {
            opaque(file);
        }
    }

    private void plan(SourceFile file, Storage storage, List<Run> runs) {
        files.add(file);
        depths.add(longest);
        planned.add(new ArchiveWriter.Planned(file.path(), file.bytes().byteSize(), storage, runs));
    }

    /** A copy is cut as its original is: each of its blocks refers to one. */
    private List<Run> copy(long size, Place same) {
        ArchiveWriter.Planned original = planned.get(same.source() - base.bytes().size());
        if (original.bytes() != size) { // a tensor of that file
            return List.of(new Run(size, ElementType.BYTES, same.source(), same.offset()));
        }
        List<Run> runs = new ArrayList<>();
        long at = 0;
        for (Run run : original.runs()) {
            runs.add(new Run(run.bytes(), run.type(), same.source(), at));
            at += run.bytes();
        }
        return runs;
    }

    private void safetensors(SourceFile file, Path path, int source) throws IOException {
        List<TensorRange> tensors;
        try {
            tensors = TensorRange.ofSafetensors(path);
        } catch (FormatException e) {
            warnings.add(e.getMessage() + "; packed as plain bytes");
            opaque(file);
            return;
        }
        var runs = new RunBuilder();
        long at = 0;
        for (TensorRange tensor : tensors) {
            runs.add(Run.of(tensor.offset() - at, ElementType.BYTES));
            runs.add(run(file, tensor, source));
            at = tensor.end();
        }
        runs.add(Run.of(file.bytes().byteSize() - at, ElementType.BYTES));
        plan(file, Storage.CODED, runs.runs());
    }

    /**
     * Large tensors as in safetensors, so that both formats of a model share them; the rest
     * guessed.
     */
    private void torch(SourceFile file, Path path, int source) throws IOException {
        List<TensorRange> tensors;
        try {
            tensors = TensorRange.ofPickle(path, References.LEAST_BYTES);
        } catch (FormatException e) {
            tensors = List.of(); // the name alone says little
        }
        if (tensors.isEmpty()) {
            opaque(file);
            return;
        }
        var runs = new RunBuilder();
        long at = 0;
        for (TensorRange tensor : tensors) {
            between(file, at, tensor.offset(), runs);
            runs.add(run(file, tensor, source));
            at = tensor.end();
        }
        between(file, at, file.bytes().byteSize(), runs);
        plan(file, Storage.CODED, runs.runs());
    }

    private static void between(SourceFile file, long from, long to, RunBuilder runs) {
        if (to - from < SMALL_BYTES) {
            runs.add(Run.of(to - from, ElementType.BYTES));
        } else {
            GuessTypes.runs(file.bytes().asSlice(from, to - from)).forEach(runs::add);
        }
    }

    private Run run(SourceFile file, TensorRange tensor, int source) {
        long bytes = tensor.info().bytes();
        Place place = reference(file, tensor, new Place(source, tensor.offset()));
        if (place == null) {
            return Run.of(bytes, tensor.type());
        }
        refer(place);
        return new Run(bytes, tensor.type(), place.source(), place.offset());
    }

    private @Nullable Place reference(SourceFile file, TensorRange tensor, Place here) {
        MemorySegment bytes = file.bytes().asSlice(tensor.offset(), tensor.info().bytes());
        Place similar = near(references.similar(tensor.key(), here));
        if (similar != null
                && source(similar.source())
                                .asSlice(similar.offset(), bytes.byteSize())
                                .mismatch(bytes)
                        < 0) {
            return similar;
        }
        Place equal = near(references.equal(bytes, here));
        return equal != null ? equal : similar;
    }

    /** Nothing in place of what lies at the end of too long a chain. */
    private @Nullable Place near(@Nullable Place place) {
        return place != null && through(place) <= Manifest.MAX_DEPTH ? place : null;
    }

    /**
     * The length of a chain that begins with a reference to a place. The first tensor of its
     * content in the same file refers to none of that file.
     */
    private int through(Place place) {
        return 1 + (place.source() < depths.size() ? depths.get(place.source()) : elsewhere);
    }

    private void refer(Place place) {
        longest = Math.max(longest, through(place));
        if (place.source() < depths.size()) {
            elsewhere = Math.max(elsewhere, through(place));
        }
    }

    private void opaque(SourceFile file) {
        long size = file.bytes().byteSize();
        List<Run> all = size == 0 ? List.of() : List.of(Run.of(size, ElementType.BYTES));
        if (size <= SMALL_BYTES) {
            plan(file, Storage.PLAIN, all);
            return;
        }
        List<Run> guessed = GuessTypes.runs(file.bytes());
        if (GuessTypes.isFloats(guessed)) {
            plan(file, Storage.CODED, guessed);
        } else {
            plan(file, isShortened(file.bytes()) ? Storage.ZSTD : Storage.PLAIN, all);
        }
    }

    private static boolean isShortened(MemorySegment bytes) {
        byte[] sample = new byte[(int) Math.min(SAMPLE_BYTES, bytes.byteSize())];
        MemorySegment.copy(bytes, 0, MemorySegment.ofArray(sample), 0, sample.length);
        return BlockEncoder.zstdBytes(sample) < WORTH * sample.length;
    }
}
