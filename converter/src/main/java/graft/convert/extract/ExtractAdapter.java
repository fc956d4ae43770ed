package graft.convert.extract;

import graft.convert.ConversionException;
import graft.convert.ledger.Ledger;
import graft.convert.ledger.LedgerWriter;
import graft.convert.linalg.FloatPool;
import graft.convert.linalg.Kernel;
import graft.convert.linalg.Kernels;
import graft.convert.linalg.Scratch;
import graft.convert.lowrank.AdapterCut;
import graft.convert.lowrank.Factor;
import graft.convert.lowrank.RankRule;
import graft.convert.plan.InputHashes;
import graft.convert.plan.Inputs;
import graft.convert.plan.TensorPair;
import graft.convert.plan.Workers;
import graft.formats.FileSpot;
import graft.formats.checkpoint.Checkpoint;
import graft.formats.peft.AdapterProfile;
import graft.formats.tensor.DType;

import org.jspecify.annotations.Nullable;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Supplier;

/**
 * Makes a LoRA adapter out of a fine-tune: per layer the best low-rank factors of {@code fine-tune
 * − base}, to within a thousandth of the best error, with the exact error. What did not change is
 * not saved; what is not of low rank (norms, biases, heads) goes in whole. Heap does not grow with
 * the model; bytes do not depend on the number of threads. Stateless, safe from any thread.
 */
public final class ExtractAdapter {
    private static final long SEED = 0;

    /**
     * @param passes over Δ that it took
     * @param part null if nothing changed
     */
    record Found(Site site, int passes, AdapterCut.@Nullable Part part) {}

    /**
     * @return what was kept and lost; with {@code dryRun} before rounding, and nothing is written
     * @throws ConversionException.NothingMatched if nothing changed, or nothing is shared
     * @throws ConversionException.UnusableValues at NaN or infinity, or if something changed that
     *     the profile cannot hold
     * @throws ConversionException.CheckFailed if a tolerance cannot be met
     * @throws ConversionException.OutputExists if the output is there and may not be replaced
     * @throws graft.formats.FormatException if a checkpoint cannot be read
     */
    public Ledger run(ExtractRequest request) throws IOException {
        long start = System.nanoTime();
        Supplier<Kernel> selecting = Kernels.selecting(request.kernel());
        try (var model = Checkpoint.open(request.fineTune());
                var base = Checkpoint.open(request.base());
                var workers = new Workers(request.threads());
                var hashes = new InputHashes();
                var staged = Inputs.stage(request.output(), request.force())) {
            Difference difference = Difference.between(base, model, request);
            checkProfile(request, difference);
            hashes.add("base", request.baseSource(), base.files());
            hashes.add("fine-tune", request.source(), model.files());
            Kernel kernel = selecting.get();
            try (var store = new FactorFile(staged.path().resolve("factors.scratch"))) {
                List<Found> found = find(request, kernel, workers, difference, store);
                var plan = new Extraction(request, difference, found);
                AdapterCut cut =
                        AdapterCut.plan(
                                kernel,
                                workers,
                                request.progress(),
                                request.policy(),
                                plan.parts(),
                                plan::payload);
                if (request.dryRun()) {
                    return plan.ledger(base, model, hashes.get(), cut, cut.planned(), List.of());
                }
                AdapterCut.Written written = cut.write(staged.path(), plan.config(), false);
                store.close();
                plan.card().write(staged.path(), written.records(), plan.wholeNames());
                Ledger ledger =
                        plan.ledger(
                                base,
                                model,
                                hashes.get(),
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

    /** What cannot be said in a profile is refused before any work is done. */
    private static void checkProfile(ExtractRequest request, Difference difference)
            throws ConversionException {
        AdapterProfile profile = request.policy().profile();
        if (profile == AdapterProfile.kohya || profile == AdapterProfile.diffusers) {
            throw new ConversionException.UnusableValues(
                    "profile %s has no names for the modules of a single checkpoint"
                            .formatted(profile),
                    "use --profile pattern, uniform or gguf");
        }
        if (profile == AdapterProfile.pattern
                || request.factorsOnly()
                || difference.whole().isEmpty()) {
            return;
        }
        throw new ConversionException.UnusableValues(
                "%s: %s changed, and readers of profile %s refuse adapters that replace tensors"
                        .formatted(
                                request.source(),
                                FileSpot.quote(difference.whole().getFirst().info().name()),
                                profile),
                "use --profile pattern, or leave such changes out with --factors-only"
                        + " (embeddings and heads can be given factors: --embeddings factors)");
    }

    private static List<Found> find(
            ExtractRequest request,
            Kernel kernel,
            Workers workers,
            Difference difference,
            FactorFile store)
            throws IOException {
        List<Site> largestFirst =
                difference.sites().stream()
                        .sorted(
                                Comparator.comparingLong((Site site) -> site.pair().elements())
                                        .reversed()
                                        .thenComparing(Site::module))
                        .toList();
        List<TensorPair> pairs = largestFirst.stream().map(Site::pair).toList();
        request.progress()
                .phase(
                        "extract from %d tensors".formatted(largestFirst.size()),
                        TensorPair.bytes(pairs));
        List<Found> found;
        try (var pool = new FloatPool(DeltaMatrix.heldElements(pairs))) {
            found =
                    new ArrayList<>(
                            workers.map(
                                    largestFirst,
                                    site -> {
                                        Found one = find(request, kernel, site, pool, store);
                                        request.progress().advance(site.pair().bytes());
                                        return one;
                                    }));
        }
        found.sort(Comparator.comparing(one -> one.site().module()));
        return found;
    }

    private static Found find(
            ExtractRequest request, Kernel kernel, Site site, FloatPool pool, FactorFile store)
            throws IOException {
        try (var scratch = new Scratch();
                var memory = pool.take()) {
            var delta = new DeltaMatrix(site.pair(), memory, scratch);
            if (!Double.isFinite(delta.norm2())) {
                throw notFinite(request, site.pair());
            }
            if (delta.norm2() == 0) {
                return new Found(site, 0, null);
            }
            RankRule.PerModule rule =
                    request.policy().rule() instanceof RankRule.PerModule own
                            ? own
                            : new RankRule.Fixed(request.mostRank());
            DeltaSpectrum spectrum =
                    DeltaSpectrum.of(
                            kernel, delta, site.module(), SEED, rule, request.mostRank(), scratch);
            int q = Math.max(1, spectrum.rank());
            var b = new Factor(DType.F32, store.allocate(4L * site.out() * q), site.out(), q);
            var a = new Factor(DType.F32, store.allocate(4L * q * site.in()), q, site.in());
            spectrum.write(q, b, a, site.transposed());
            var part =
                    new AdapterCut.Part(
                            site.atRank(q),
                            b,
                            a,
                            spectrum.tail(q),
                            1,
                            () -> notFinite(request, site.pair()));
            return new Found(site, spectrum.passes(), part);
        }
    }

    private static ConversionException notFinite(ExtractRequest request, TensorPair pair) {
        String[] where = {"too large for float64"};
        try {
            pair.walk((first, from, to, count) -> {
                for (int i = 0; i < count; i++) {
                    if (!Float.isFinite(to[i] - from[i]) && where[0].startsWith("too")) {
                        where[0] =
                                "element %d is %s, %s in the base"
                                        .formatted(first + i, to[i], from[i]);
                    }
                }
            });
        } catch (IOException e) {
            where[0] = e.toString();
        }
        return new ConversionException.UnusableValues(
                "%s: %s"
                        .formatted(
                                FileSpot.of(request.source()).tensor(pair.model().name()),
                                where[0]),
                "training diverged or a file is damaged; get the model again");
    }
}
