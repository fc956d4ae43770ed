package graft.convert.export;

import graft.convert.plan.Progress;
import graft.formats.tensor.DType;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * What to export.
 *
 * @param sources fine-tunes, sparse deltas or adapters, each of which becomes a graph or an
 *     adapter; or folders of {@code graft convert}, which hold several
 * @param graph an export of the base, with a head of the tasks' kind if they have one; if empty,
 *     one is looked for in the base's folder
 * @param graphBase the checkpoint that {@code graph} was exported from, if not {@code base}
 * @param base the checkpoint that the sources build on; if empty, the graph's own weights
 * @param mode how weights get into graphs
 * @param form how they are stored and called
 * @param verify how graphs are checked, if at all
 * @param output folder to create
 * @param force whether an existing output is replaced
 * @param progress hears graphs done
 */
public record ExportRequest(
        List<Named> sources,
        Optional<Path> graph,
        Optional<Named> graphBase,
        Optional<Named> base,
        Mode mode,
        Form form,
        Optional<Duration> verify,
        Path output,
        boolean force,
        Progress progress) {
    /** How a model's weights get into its graph. */
    public enum Mode {
        /** One dense model per source. */
        merged,
        /** One base for all sources, each graph with its own values over it. */
        shared,
        /** One graph for all adapters, with slots that each adapter fills. */
        slots,
        /** One graph for all sparse deltas, whose values are scattered in every run. */
        sparseSlots;

        @Override
        public String toString() {
            return this == sparseSlots ? "sparse-slots" : name();
        }
    }

    /**
     * How weights are stored, and inputs called.
     *
     * @param storage type of stored matrices, if not the graph's own
     * @param profile names of slots
     * @param slotType type of slots: F32 or BF16
     * @param fromCheckpoint whether a shared base is the checkpoint's own safetensors files, copied
     *     beside the graphs; not with {@code storage}, nor in {@link Mode#merged}
     */
    public record Form(
            Optional<DType> storage, SlotNames profile, DType slotType, boolean fromCheckpoint) {
        /** As in the graph, with PEFT's names. */
        public static final Form DEFAULT =
                new Form(Optional.empty(), SlotNames.peft, DType.F32, false);

        public Form {
            if (fromCheckpoint && storage.isPresent()) {
                throw new IllegalArgumentException("a checkpoint's own files have their own type");
            }
        }

        /** Whether matrices are stored in fewer bits than they are computed with. */
        boolean isNarrow() {
            return storage.isPresent() && storage.get() != DType.F32;
        }
    }

    /**
     * A path and what the user called it.
     *
     * @param title short name for what is made from it
     */
    public record Named(Path path, String source, String title) {
        /** Titled by the last word of its path. */
        public Named(Path path, String source) {
            this(path, source, String.valueOf(path.toAbsolutePath().normalize().getFileName()));
        }
    }
}
