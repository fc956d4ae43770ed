package graft.convert.lowrank;

import graft.convert.ConversionException;
import graft.convert.ledger.TensorRecord;
import graft.convert.linalg.Kernel;
import graft.convert.plan.Progress;
import graft.convert.plan.Workers;
import graft.formats.peft.AdapterConfig;
import graft.formats.peft.AdapterProfile;
import graft.formats.peft.LoraModule;
import graft.formats.peft.PeftAdapterWriter;
import graft.formats.peft.WholeTensor;
import graft.formats.tensor.DType;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * Cuts low-rank updates to ranks that one rule chooses, and writes them as one adapter: a streaming
 * pass over all factors for the spectra ({@link #plan}), and one to write ({@link #write}). Nothing
 * of the size of the factors is on the heap; bytes do not depend on the number of threads.
 */
public final class AdapterCut {
    /** Heap that spectra may hold between the passes; beyond it they are measured again. */
    private static final long MOST_STATE_BYTES = 32 << 20;

    /**
     * One update to cut.
     *
     * @param module what it is called, and the shapes of its factors as they are
     * @param b out×r, scale included
     * @param a r×in, scale included
     * @param tail ‖ΔW‖² that the factors miss; 0 for an adapter
     * @param weight what a budget measures its error against, such as the base weight's norm
     * @param unusable says which number of the factors is not finite
     */
    public record Part(
            LoraModule module,
            Operand b,
            Operand a,
            double tail,
            double weight,
            Supplier<ConversionException> unusable) {}

    /**
     * What to make of the parts.
     *
     * @param rule ranks
     * @param profile who shall read the result
     * @param dtype of the new factors; that of the old ones if absent
     */
    public record Policy(RankRule rule, AdapterProfile profile, Optional<DType> dtype) {
        /** The same for other readers. */
        public Policy withProfile(AdapterProfile other) {
            return new Policy(rule, other, dtype);
        }

        DType dtype(LoraModule module) {
            return dtype.orElse(module.a().dtype());
        }
    }

    /** What goes into the adapter whole. */
    @FunctionalInterface
    public interface Payload {
        /**
         * @param kept modules that stay: what belongs to another one goes with it
         */
        List<WholeTensor> beside(List<LoraModule> kept);
    }

    /**
     * What {@link #write} did.
     *
     * @param records what was kept and lost, in the order of the parts
     * @param hashes SHA-256 of the large file among those written
     */
    public record Written(List<TensorRecord> records, Map<Path, String> hashes) {}

    private record Item(Part part, ModuleSpectrum spectrum, int rank) {}

    private final Kernel kernel;
    private final Workers workers;
    private final Progress progress;
    private final Policy policy;
    private final List<Item> items;
    private final Payload payload;

    private AdapterCut(
            Kernel kernel,
            Workers workers,
            Progress progress,
            Policy policy,
            List<Item> items,
            Payload payload) {
        this.kernel = kernel;
        this.workers = workers;
        this.progress = progress;
        this.policy = policy;
        this.items = items;
        this.payload = payload;
    }

    /**
     * Measures all spectra and chooses ranks.
     *
     * @param payload tensors that go into the adapter whole
     * @throws ConversionException.NothingMatched if no module is left
     * @throws ConversionException.UnusableValues if a factor holds NaN or infinity
     * @throws ConversionException.CheckFailed if the type cannot store what the tolerance asks for
     */
    public static AdapterCut plan(
            Kernel kernel,
            Workers workers,
            Progress progress,
            Policy policy,
            List<Part> parts,
            Payload payload)
            throws IOException {
        progress.phase("read %d modules".formatted(parts.size()), bytes(parts));
        long state = parts.stream().mapToLong(part -> 16 * square(part.a().rows())).sum();
        List<Item> measured =
                workers.map(
                        parts,
                        part -> {
                            ModuleSpectrum spectrum = measure(kernel, part);
                            progress.advance(part.module().bytes());
                            return switch (policy.rule()) {
                                case RankRule.PerModule rule -> {
                                    int rank = within(rule, policy.dtype(part.module()), spectrum);
                                    yield new Item(part, spectrum.truncated(rank), rank);
                                }
                                case RankRule.Budget _ ->
                                        new Item(
                                                part,
                                                state > MOST_STATE_BYTES
                                                        ? spectrum.truncated(0)
                                                        : spectrum,
                                                0);
                            };
                        });
        var cut = new AdapterCut(kernel, workers, progress, policy, measured, payload);
        if (policy.rule() instanceof RankRule.Budget budget) {
            cut = new AdapterCut(kernel, workers, progress, policy, cut.shared(budget), payload);
        }
        if (cut.items.stream().allMatch(item -> item.rank() == 0)) {
            throw cut.nothingLeft();
        }
        return cut;
    }

    private static long square(long number) {
        return number * number;
    }

    private static long bytes(List<Part> parts) {
        return parts.stream().mapToLong(part -> part.module().bytes()).sum();
    }

    private static ModuleSpectrum measure(Kernel kernel, Part part) throws ConversionException {
        try {
            return ModuleSpectrum.of(kernel, part.b(), part.a(), part.tail());
        } catch (ArithmeticException e) {
            throw part.unusable().get();
        }
    }

    /** A tolerance leaves room for what storing the factors in {@code type} rounds away. */
    private static int within(RankRule.PerModule rule, DType type, ModuleSpectrum spectrum)
            throws ConversionException {
        if (!(rule instanceof RankRule.Tolerance(double error))) {
            return rule.choose(spectrum.spectrum());
        }
        double rounding = RoundingLoss.bound(type);
        if (error <= rounding) {
            throw new ConversionException.CheckFailed(
                    "tolerance %s is finer than what %s stores (%.2g)"
                            .formatted(error, type, rounding),
                    "store a wider type (--dtype float32) or allow more");
        }
        double left = Math.sqrt((error - rounding) * (error + rounding));
        return new RankRule.Tolerance(left).choose(spectrum.spectrum());
    }

    private List<Item> shared(RankRule.Budget budget) throws IOException {
        List<RankBudget.Bidder> bidders = new ArrayList<>();
        for (Item item : items) {
            LoraModule module = item.part().module();
            bidders.add(
                    new RankBudget.Bidder(
                            item.spectrum().spectrum(),
                            (long) module.out() + module.in(),
                            item.part().weight()));
        }
        RankBudget.Limit limit =
                switch (budget) {
                    case RankRule.Parameters(long most, _) ->
                            ranks -> parameters(modules(ranks)) <= most;
                    case RankRule.Size(long most, _) -> ranks -> fileBytes(modules(ranks)) <= most;
                };
        int[] ranks =
                policy.profile().isPadded()
                        ? RankBudget.shareAlike(bidders, limit)
                        : RankBudget.share(bidders, budget.least(), limit);
        List<Item> chosen = new ArrayList<>();
        for (int i = 0; i < ranks.length; i++) {
            Item item = items.get(i);
            ModuleSpectrum spectrum = item.spectrum().truncated(ranks[i]);
            chosen.add(new Item(item.part(), spectrum, ranks[i]));
        }
        return chosen;
    }

    private ConversionException nothingLeft() throws IOException {
        boolean zero =
                items.stream().allMatch(item -> item.spectrum().spectrum().numericalRank() == 0);
        if (zero) {
            return new ConversionException.NothingMatched(
                    "every one of the %d modules is zero".formatted(items.size()),
                    "there is nothing to keep; the base alone does the same");
        }
        int[] least = new int[items.size()];
        long smallest = Long.MAX_VALUE;
        for (int i = 0; i < least.length; i++) {
            if (items.get(i).spectrum().spectrum().numericalRank() > 0) {
                least[i] = 1;
                List<LoraModule> one = modules(least);
                long size =
                        policy.rule() instanceof RankRule.Size ? fileBytes(one) : parameters(one);
                smallest = Math.min(smallest, size);
                least[i] = 0;
            }
        }
        return new ConversionException.NothingMatched(
                "%s %s is below the smallest adapter, %d"
                        .formatted(policy.rule().word(), policy.rule().value(), smallest),
                "allow more");
    }

    /** The modules that stay, as they are written. */
    public List<LoraModule> modules() {
        return modules(ranks());
    }

    private int[] ranks() {
        return items.stream().mapToInt(Item::rank).toArray();
    }

    private List<LoraModule> modules(int[] ranks) {
        List<LoraModule> modules = new ArrayList<>();
        for (int i = 0; i < ranks.length; i++) {
            if (ranks[i] > 0) {
                LoraModule module = items.get(i).part().module();
                modules.add(module.cut(stored(ranks[i], ranks), policy.dtype(module)));
            }
        }
        return modules;
    }

    /** The rank that a module of rank {@code rank} has in the file. */
    private int stored(int rank, int[] ranks) {
        if (!policy.profile().isPadded()) {
            return rank;
        }
        int most = 0;
        for (int other : ranks) {
            most = Math.max(most, other);
        }
        return most;
    }

    private static long parameters(List<LoraModule> modules) {
        long sum = 0;
        for (LoraModule module : modules) {
            sum += module.rank() * ((long) module.out() + module.in());
        }
        return sum;
    }

    /** Bytes that the file of weights will have. */
    public long fileBytes() throws IOException {
        return fileBytes(modules());
    }

    private long fileBytes(List<LoraModule> modules) throws IOException {
        return PeftAdapterWriter.fileBytes(modules, payload.beside(modules), policy.profile());
    }

    /** What is known before anything is written: all but rounding. In the order of the parts. */
    public List<TensorRecord> planned() {
        return items.stream().map(item -> record(item, 0)).toList();
    }

    /**
     * Writes configuration and weights into an empty folder.
     *
     * @param template see {@link PeftAdapterWriter#create}
     * @param targetsHold whether the template's targets select exactly the parts
     * @throws ConversionException.CheckFailed if rounding took a module past the tolerance
     */
    public Written write(Path folder, AdapterConfig template, boolean targetsHold)
            throws IOException {
        int[] ranks = ranks();
        List<LoraModule> modules = modules(ranks);
        progress.phase(
                "write %d modules".formatted(modules.size()),
                bytes(items.stream().map(Item::part).toList()));
        boolean all = targetsHold && modules.size() == items.size();
        try (var writer =
                PeftAdapterWriter.create(
                        folder,
                        template,
                        all,
                        modules,
                        payload.beside(modules),
                        policy.profile())) {
            List<TensorRecord> records =
                    workers.map(items, item -> write(writer, item, stored(item.rank(), ranks)));
            Path weights = folder.resolve(policy.profile().weights());
            return new Written(records, Map.of(weights, writer.sha256()));
        }
    }

    private TensorRecord write(PeftAdapterWriter writer, Item item, int stored) throws IOException {
        LoraModule module = item.part().module();
        if (item.rank() == 0) {
            return record(item, 0);
        }
        DType type = policy.dtype(module);
        ModuleSpectrum spectrum =
                item.spectrum().held() < item.rank()
                        ? measure(kernel, item.part())
                        : item.spectrum();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment b = arena.allocate((long) module.out() * stored * type.bytes(), 64);
            MemorySegment a = arena.allocate((long) stored * module.in() * type.bytes(), 64);
            Reduced reduced =
                    spectrum.reduce(
                            item.rank(),
                            new Factor(type, b, module.out(), stored),
                            new Factor(type, a, stored, module.in()));
            writer.write(module, b, a);
            progress.advance(module.bytes());
            if (policy.rule() instanceof RankRule.Tolerance(double error)
                    && reduced.relativeError() > error) {
                throw new ConversionException.CheckFailed(
                        "%s: relative error %.3g, tolerance %s"
                                .formatted(module.name(), reduced.relativeError(), error),
                        reduced.truncationError() > error
                                ? "it needs a higher rank than --max-rank allows"
                                : "storing %s rounds too much; use --dtype float32"
                                        .formatted(type));
            }
            return record(item, reduced.roundingError());
        }
    }

    private TensorRecord record(Item item, double rounding) {
        LoraModule module = item.part().module();
        long stored = item.rank() == 0 ? 0 : stored(item.rank(), ranks());
        long bytes = stored * ((long) module.in() + module.out()) * policy.dtype(module).bytes();
        return CutFigures.record(
                module, item.spectrum(), item.rank(), bytes, rounding, item.part().weight());
    }
}
