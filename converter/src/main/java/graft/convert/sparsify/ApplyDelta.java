package graft.convert.sparsify;

import graft.convert.ConversionException;
import graft.convert.ledger.Ledger;
import graft.convert.ledger.LedgerWriter;
import graft.convert.ledger.TensorRecord;
import graft.convert.plan.DeltaBase;
import graft.convert.plan.InputHashes;
import graft.convert.plan.Inputs;
import graft.convert.plan.Workers;
import graft.formats.checkpoint.Checkpoint;
import graft.formats.checkpoint.CheckpointWriter;
import graft.formats.delta.DeltaEntries;
import graft.formats.delta.DeltaHeader;
import graft.formats.delta.DeltaReader;
import graft.formats.delta.SparseTensor;
import graft.formats.io.SideFiles;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;
import graft.formats.tensor.TensorInfo;
import graft.formats.tensor.TensorSink;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Rebuilds a model from its base and a sparse delta. Exact values come back bit for bit; signs give
 * base ± scale, rounded once to the model's type. Streams tile by tile; stateless, safe from any
 * thread.
 */
public final class ApplyDelta {
    private static final int TILE = 1 << 15;

    /**
     * @throws ConversionException.BaseMismatch if the base is not the one the delta was made for
     * @throws ConversionException.OutputExists if the output is there and may not be replaced
     * @throws graft.formats.FormatException if a file cannot be read
     */
    public Ledger run(ApplyRequest request) throws IOException {
        return run(request, false);
    }

    /** What {@link #run} would do; reads the base to know it. */
    public Ledger plan(ApplyRequest request) throws IOException {
        return run(request, true);
    }

    private static Ledger run(ApplyRequest request, boolean dryRun) throws IOException {
        long start = System.nanoTime();
        try (var delta = DeltaReader.open(request.delta());
                var base = Checkpoint.open(request.base());
                var workers = new Workers(request.threads());
                var hashes = new InputHashes()) {
            hashInto(hashes, request, base);
            List<String> warnings = checkBase(request, delta.header(), base, workers);
            if (dryRun) {
                return ledger(hashes.get(), records(delta), warnings, List.of());
            }
            try (var staged = Inputs.stage(request.output(), request.force())) {
                Map<Path, String> files = write(request, staged.path(), delta, base, workers);
                SideFiles.copy(request.delta(), staged.path());
                Ledger ledger =
                        ledger(
                                hashes.get(),
                                records(delta),
                                warnings,
                                LedgerWriter.outputs(staged.path(), files));
                LedgerWriter.write(staged.path(), ledger, workers.figuresSince(start));
                staged.commit();
                return ledger;
            }
        }
    }

    private static List<TensorRecord> records(DeltaReader delta) {
        List<TensorRecord> records = new ArrayList<>();
        for (TensorInfo info : delta.whole()) {
            records.add(TensorRecord.of(info, "whole", info.bytes(), Map.of()));
        }
        for (SparseTensor tensor : delta.header().tensors()) {
            TensorInfo info = tensor.info();
            Map<String, Long> kept = Map.of("nonZeros", tensor.count());
            records.add(TensorRecord.of(info, "applied", info.bytes(), kept));
        }
        delta.tied()
                .forEach((tied, same) ->
                        records.add(
                                TensorRecord.of(
                                        tied,
                                        "tied",
                                        tied.bytes(),
                                        Map.of("tiedTo", same.name()))));
        return records;
    }

    private static List<String> checkBase(
            ApplyRequest request, DeltaHeader header, Checkpoint base, Workers workers)
            throws IOException {
        if (DeltaBase.isOf(header, base, request.baseSource(), workers)) {
            return base.warnings();
        }
        if (!request.force()) {
            throw DeltaBase.mismatch(
                    header, request.source(), request.baseSource(), "override with --force");
        }
        List<String> warnings = new ArrayList<>(base.warnings());
        warnings.add("applied to another base than the delta was made for (--force)");
        return warnings;
    }

    /** Hashes of the files written. */
    private static Map<Path, String> write(
            ApplyRequest request, Path folder, DeltaReader delta, Checkpoint base, Workers workers)
            throws IOException {
        List<SparseTensor> sparse = delta.header().tensors();
        List<TensorInfo> all = new ArrayList<>(delta.whole());
        sparse.forEach(tensor -> all.add(tensor.info()));
        all.addAll(delta.tied().keySet());
        Map<String, List<String>> names = new HashMap<>(); // under which a tensor is in the model
        all.forEach(info -> names.put(info.name(), new ArrayList<>(List.of(info.name()))));
        delta.tied().forEach((tied, same) -> named(names, same.name()).add(tied.name()));
        long bytes = all.stream().mapToLong(TensorInfo::bytes).sum();
        request.progress().phase("apply to %d tensors".formatted(sparse.size()), bytes);
        try (var out =
                CheckpointWriter.create(
                                folder,
                                all,
                                delta.header().modelMetadata(),
                                request.maxShardBytes())
                        .hashing()) {
            for (TensorInfo info : delta.whole()) {
                for (String name : named(names, info.name())) {
                    out.write(name, 0, delta.bytes(info));
                }
                request.progress().advance(info.bytes());
            }
            workers.map(
                    sparse,
                    tensor -> {
                        List<String> own = named(names, tensor.info().name());
                        apply(delta.entries(tensor), tensor, base, own, out);
                        request.progress().advance(tensor.info().bytes());
                        return own;
                    });
            return out.sha256();
        }
    }

    private static List<String> named(Map<String, List<String>> names, String name) {
        return names.getOrDefault(name, List.of(name));
    }

    private static void apply(
            DeltaEntries entries,
            SparseTensor tensor,
            Checkpoint base,
            List<String> names,
            TensorSink out)
            throws IOException {
        TensorInfo info = tensor.info();
        DType from = base.find(info.name()).orElseThrow().dtype();
        MemorySegment before = base.bytes(info.name());
        long elements = info.shape().elements();
        int most = (int) Math.clamp(elements, 1, TILE);
        float[] values = new float[most];
        boolean more = entries.next();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment tile = arena.allocate((long) most * info.dtype().bytes(), 64);
            for (long first = 0; first < elements; first += most) {
                int count = (int) Math.min(most, elements - first);
                Elements.widen(from, before, first, values, 0, count);
                while (more && entries.index() < first + count) {
                    int i = (int) (entries.index() - first);
                    values[i] = entries.absolute(values[i]);
                    more = entries.next();
                }
                Elements.narrow(info.dtype(), values, 0, tile, 0, count);
                long at = first * info.dtype().bytes();
                for (String name : names) {
                    out.write(name, at, tile.asSlice(0, (long) count * info.dtype().bytes()));
                }
            }
        }
    }

    private static void hashInto(InputHashes hashes, ApplyRequest request, Checkpoint base) {
        Path file =
                Files.isDirectory(request.delta())
                        ? request.delta().resolve(DeltaHeader.FILE_NAME)
                        : request.delta();
        hashes.add("base", request.baseSource(), base.files());
        hashes.add("delta", request.source(), List.of(file));
    }

    private static Ledger ledger(
            List<Ledger.Input> inputs,
            List<TensorRecord> records,
            List<String> warnings,
            List<Ledger.Output> outputs) {
        return new Ledger(
                "apply",
                inputs,
                Map.of(),
                outputs,
                records,
                Map.of(
                        "tensors", records.size(),
                        "bytesOut", records.stream().mapToLong(TensorRecord::bytesOut).sum()),
                warnings);
    }
}
