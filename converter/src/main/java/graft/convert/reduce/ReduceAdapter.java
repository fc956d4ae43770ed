package graft.convert.reduce;

import graft.convert.ConversionException;
import graft.convert.ledger.Ledger;
import graft.convert.ledger.LedgerWriter;
import graft.convert.ledger.TensorRecord;
import graft.convert.linalg.Kernel;
import graft.convert.linalg.Kernels;
import graft.convert.lowrank.AdapterCut;
import graft.convert.lowrank.CutFigures;
import graft.convert.lowrank.ModelCard;
import graft.convert.plan.InputHashes;
import graft.convert.plan.Inputs;
import graft.convert.plan.Workers;
import graft.formats.peft.AdapterProfile;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/**
 * Lowers the ranks of a LoRA adapter, or of a weighted sum of adapters. Nothing of the size of the
 * adapter is on the heap; the output does not depend on the number of threads. Stateless, safe from
 * any thread.
 */
public final class ReduceAdapter {
    /**
     * @return what was kept and lost; with {@code dryRun} before rounding, and nothing is written
     * @throws ConversionException.NothingMatched if the rule drops every module
     * @throws ConversionException.UnusableValues if a factor holds NaN or infinity, or the
     *     profile's readers stop at something beside the factors
     * @throws ConversionException.BaseMismatch if adapters do not fit each other, or the base
     * @throws ConversionException.CheckFailed if a tolerance cannot be met
     * @throws ConversionException.OutputExists if the output is there and may not be replaced
     * @throws graft.formats.FormatException if an adapter cannot be read
     */
    public Ledger run(ReduceRequest request) throws IOException {
        try {
            return reduce(request);
        } catch (ConversionException.NothingMatched e) {
            throw new ConversionException.NothingMatched(
                    names(request) + ": " + e.getMessage(), e.help());
        }
    }

    private static String names(ReduceRequest request) {
        return request.sources().stream()
                .map(ReduceRequest.Source::name)
                .collect(Collectors.joining(" + "));
    }

    private static Ledger reduce(ReduceRequest request) throws IOException {
        long start = System.nanoTime();
        Supplier<Kernel> selecting = Kernels.selecting(request.kernel());
        try (var sum = AdapterSum.open(request.command(), request.sources());
                var workers = new Workers(request.threads());
                var hashes = new InputHashes()) {
            sum.hashInto(hashes);
            Kernel kernel = selecting.get();
            Map<String, Double> weights =
                    request.base().isPresent()
                            ? BaseNorms.of(request.base().get(), sum.moduleNames(), workers)
                            : Map.of();
            AdapterCut.Policy policy =
                    request.policy().withProfile(sum.profile(request.policy().profile()));
            BesideFactors beside = sum.beside(request.factorsOnly());
            if (policy.profile() == AdapterProfile.gguf && !beside.names().isEmpty()) {
                throw new ConversionException.UnusableValues(
                        "%s replaces %s whole, and llama.cpp's converter stops at such a tensor"
                                .formatted(names(request), beside.names().getFirst()),
                        "leave such tensors out with --factors-only");
            }
            var cut =
                    AdapterCut.plan(
                            kernel,
                            workers,
                            request.progress(),
                            policy,
                            sum.parts(weights, policy.profile()),
                            beside::of);
            beside.checkBiasesKept(cut.modules());
            if (request.dryRun()) {
                return ledger(request, policy, sum, beside, hashes, cut, cut.planned(), List.of());
            }
            try (var staged = Inputs.stage(request.output(), request.force())) {
                AdapterCut.Written written =
                        cut.write(
                                staged.path(),
                                request.factorsOnly()
                                        ? sum.template().factorsOnly()
                                        : sum.template(),
                                sum.targetsHold());
                card(request, sum).write(staged.path(), written.records(), beside.names());
                Ledger ledger =
                        ledger(
                                request,
                                policy,
                                sum,
                                beside,
                                hashes,
                                cut,
                                written.records(),
                                LedgerWriter.outputs(staged.path(), written.hashes()));
                Map<String, Object> run = new TreeMap<>(workers.figuresSince(start));
                run.put("kernel", kernel.name());
                LedgerWriter.write(staged.path(), ledger, run);
                staged.commit();
                return ledger;
            }
        }
    }

    private static ModelCard card(ReduceRequest request, AdapterSum sum) {
        String what =
                request.sources().stream()
                        .map(source ->
                                source.weight() == 1
                                        ? ModelCard.code(source.name())
                                        : source.weight() + "·" + ModelCard.code(source.name()))
                        .collect(Collectors.joining(" + "));
        return new ModelCard(
                request.sources().size() == 1 ? "Reduced adapter" : "Combined adapters",
                "%s, %s, by truncated SVD of each ΔW (PERU-LoRA, arXiv 2310.01886)."
                        .formatted(what, request.policy().rule().sentence()),
                sum.template().baseModel());
    }

    private static Ledger ledger(
            ReduceRequest request,
            AdapterCut.Policy policy,
            AdapterSum sum,
            BesideFactors beside,
            InputHashes hashes,
            AdapterCut cut,
            List<TensorRecord> records,
            List<Ledger.Output> outputs)
            throws IOException {
        List<Ledger.Input> inputs = hashes.get();
        Map<String, Object> options = new TreeMap<>();
        options.put(request.policy().rule().word(), request.policy().rule().value());
        options.put("profile", policy.profile().name());
        request.policy().dtype().ifPresent(dtype -> options.put("dtype", dtype.name()));
        request.base().ifPresent(base -> options.put("base", base.name()));
        if (request.sources().size() > 1) {
            options.put("weights", request.sources().stream().map(s -> s.weight()).toList());
        }
        Map<String, Number> totals = new TreeMap<>(CutFigures.totals(records));
        totals.put("fileBytes", cut.fileBytes());
        List<String> warnings = new ArrayList<>(sum.warnings());
        if (policy.profile() == AdapterProfile.uniform && !beside.names().isEmpty()) {
            warnings.add(
                    "%s is replaced whole: PEFT reads that, vLLM refuses it (--factors-only)"
                            .formatted(beside.names().getFirst()));
        }
        return new Ledger(request.command(), inputs, options, outputs, records, totals, warnings);
    }
}
