package graft.convert.sparsify;

import graft.convert.ConversionException;
import graft.convert.ledger.Ledger;
import graft.convert.ledger.LedgerWriter;
import graft.convert.ledger.TensorRecord;
import graft.convert.plan.InputHashes;
import graft.convert.plan.Inputs;
import graft.convert.plan.Journal;
import graft.convert.plan.Workers;
import graft.formats.io.StagedOutput;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Writes what distinguishes a fine-tune from its base as a sparse delta; see {@link SparsifyBatch}.
 * Stateless, safe from any thread.
 */
public final class SparsifyModel {
    private static final String PARTS = ".parts";

    /**
     * @return what was kept and lost; with {@code dryRun} what is expected, before anything is
     *     written
     * @throws ConversionException.BaseMismatch if the model is no fine-tune of the base, unless
     *     allowed
     * @throws ConversionException.NothingMatched if the two share no tensor
     * @throws ConversionException.UnusableValues at the first NaN or infinity
     * @throws ConversionException.OutputExists if the output is there and may not be replaced
     * @throws graft.formats.FormatException if a checkpoint cannot be read
     */
    public Ledger run(SparsifyRequest request) throws IOException {
        long start = System.nanoTime();
        var model = new SparsifyBatch.Model(request.fineTune(), request.source());
        try (var workers = new Workers(request.threads());
                var hashes = new InputHashes();
                var batch =
                        SparsifyBatch.open(
                                request.base(),
                                request.baseSource(),
                                List.of(model),
                                request.options(),
                                workers,
                                request.progress())) {
            List<String> warnings = new ArrayList<>(batch.warnings(0));
            warnings.addAll(batch.checkKinship(0, request.allowUnrelated()));
            hashes.add("base", request.baseSource(), batch.baseFiles());
            hashes.add("fine-tune", request.source(), batch.files(0));
            if (request.dryRun()) {
                List<TensorRecord> expected = batch.estimate(0, request.layout());
                return ledger(request, hashes, expected, List.of(), warnings);
            }
            SparsifyBatch.Plan plan = batch.plan();
            try (var staged = Inputs.stage(request.output(), request.force())) {
                Path parts = staged.path().resolve(PARTS);
                List<TensorRecord> records =
                        batch.write(plan, 0, staged.path(), new Journal(parts));
                StagedOutput.deleteTree(parts);
                if (request.layout() == SparsifyRequest.Layout.bitmask) {
                    Map<String, Long> bytes = BitmaskExport.run(staged.path(), request.base());
                    records =
                            records.stream()
                                    .map(r -> r.withBytesOut(bytes.getOrDefault(r.name(), 0L)))
                                    .toList(); // what is tied or not there takes none
                }
                List<Ledger.Output> outputs = LedgerWriter.outputs(staged.path());
                Ledger ledger = ledger(request, hashes, records, outputs, warnings);
                LedgerWriter.write(staged.path(), ledger, workers.figuresSince(start));
                staged.commit();
                return ledger;
            }
        }
    }

    private static Ledger ledger(
            SparsifyRequest request,
            InputHashes hashes,
            List<TensorRecord> records,
            List<Ledger.Output> outputs,
            List<String> warnings)
            throws IOException {
        Map<String, Object> options = new TreeMap<>(request.options().words());
        if (request.layout() != SparsifyRequest.Layout.delta) {
            options.put("layout", request.layout().word());
        }
        return new Ledger(
                "sparsify", hashes.get(), options, outputs, records, Totals.of(records), warnings);
    }
}
