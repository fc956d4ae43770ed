package graft.convert.apply;

import graft.convert.ConversionException;
import graft.formats.FileSpot;
import graft.formats.peft.LoraModule;
import graft.formats.peft.LoraParameter;
import graft.formats.peft.PeftAdapter;
import graft.formats.tensor.DType;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * Adapters of stacks of experts: which parameter of the base they mean, which way it lies, and how
 * a stack corresponds to the separate experts of other versions of the same model.
 */
record PlanExperts(
        BaseModel base, PeftAdapter adapter, Targets targets, Rounding rounding, Drafts drafts) {
    /** Modules that transformers flags {@code is_transposed}: their stacks are (E, in, out). */
    private static final Set<String> TRANSPOSED = Set.of("gpt_oss", "aria", "aria_text");

    /** Parameters in the order in which transformers registers them. */
    private static final List<String> REGISTERED = List.of("gate_up_proj", "down_proj");

    private static final Pattern EXPERT =
            Pattern.compile("(.*)\\.experts\\.(\\d{1,6})\\.(w1|w2|w3|gate_proj|up_proj|down_proj)");

    /** Where a stack of {@code mlp.experts} keeps its experts when they are separate. */
    private static final List<String> BLOCKS = List.of(".mlp.", ".block_sparse_moe.");

    /** Makes or finds the draft of a tensor. */
    interface Drafts {
        Draft of(TensorInfo info) throws ConversionException;
    }

    /** Rows of a stack that hold one expert's matrix. */
    record Slot(TensorInfo stack, int row) {}

    /** A way to read an adapter: as of {@code stack}, one matrix per expert. */
    private record Fit(
            LoraParameter.Candidate candidate, TensorInfo stack, int experts, boolean transposed) {}

    void add(LoraParameter parameter) throws IOException {
        List<Fit> fits = new ArrayList<>();
        boolean exists = false;
        for (var candidate : parameter.candidates()) {
            Optional<TensorInfo> stack = targets.tensor(candidate.tensor());
            if (stack.isPresent()) {
                exists = true;
                fits.addAll(fits(parameter, candidate, stack.get()));
            }
        }
        if (!exists) {
            if (addToSeparate(parameter)) {
                targets.noteMatched();
            } else {
                targets.noteUnmatched(parameter.candidates().getFirst().tensor());
            }
            return;
        }
        targets.noteMatched();
        addTo(choose(parameter, fits), parameter);
    }

    private static List<Fit> fits(
            LoraParameter parameter, LoraParameter.Candidate candidate, TensorInfo stack) {
        List<Fit> fits = new ArrayList<>();
        Shape shape = stack.shape();
        if (shape.rank() < 2 || shape.rank() > 3) {
            return fits;
        }
        long experts = shape.rank() == 3 ? shape.extent(0) : 1;
        long rows = shape.extent(shape.rank() - 2);
        long columns = shape.extent(shape.rank() - 1);
        long reads = parameter.a().shape().extent(1);
        long writes = parameter.b().shape().extent(0);
        if (parameter.rows() == candidate.rank() * experts) {
            if (reads == columns && writes == rows) {
                fits.add(new Fit(candidate, stack, (int) experts, false));
            }
            if (reads == rows && writes == columns && shape.rank() == 3) {
                fits.add(new Fit(candidate, stack, (int) experts, true));
            }
        }
        return fits;
    }

    private Fit choose(LoraParameter parameter, List<Fit> fits) throws ConversionException {
        List<TensorInfo> stacks = fits.stream().map(Fit::stack).distinct().toList();
        if (stacks.isEmpty()) {
            throw new ConversionException.BaseMismatch(
                    "parameter %s is adapted by A %s and B %s, which fit none of %s"
                            .formatted(
                                    FileSpot.quote(parameter.name()),
                                    parameter.a().shape(),
                                    parameter.b().shape(),
                                    parameter.candidates().stream()
                                            .map(LoraParameter.Candidate::tensor)
                                            .collect(Collectors.joining(", "))),
                    "give the base that the adapter was trained on");
        }
        TensorInfo stack = stacks.size() == 1 ? stacks.getFirst() : registered(parameter, stacks);
        List<Fit> ways = fits.stream().filter(fit -> fit.stack().equals(stack)).toList();
        return ways.size() == 1 ? ways.getFirst() : oriented(parameter, ways);
    }

    /** Of parameters of one shape: peft nests them as registered, the first one innermost. */
    private static TensorInfo registered(LoraParameter parameter, List<TensorInfo> stacks)
            throws ConversionException {
        List<TensorInfo> known =
                stacks.stream()
                        .filter(stack -> REGISTERED.contains(lastPart(stack)))
                        .sorted(Comparator.comparing(s -> REGISTERED.indexOf(lastPart(s))))
                        .toList();
        if (known.size() != stacks.size() || parameter.depth() >= known.size()) {
            throw new ConversionException.BaseMismatch(
                    "the adapter of %s may be of any of %s"
                            .formatted(
                                    FileSpot.quote(parameter.name()),
                                    stacks.stream()
                                            .map(TensorInfo::name)
                                            .collect(Collectors.joining(", "))),
                    "their shapes are equal and the order in which the model registers them is not known;"
                            + " merge the adapter with PEFT");
        }
        return known.get(known.size() - 1 - parameter.depth());
    }

    private static String lastPart(TensorInfo info) {
        return info.name().substring(info.name().lastIndexOf('.') + 1);
    }

    /** Of a square weight: peft changed its mind with 0.19. */
    private Fit oriented(LoraParameter parameter, List<Fit> ways) throws ConversionException {
        boolean transposed = TRANSPOSED.contains(base.modelType());
        if (!transposed && isBefore019(adapter.config().peftVersion().orElse("0"))) {
            throw new ConversionException.BaseMismatch(
                    "parameter %s is square, and peft %s did not say which way its factors lie"
                            .formatted(
                                    FileSpot.quote(parameter.name()),
                                    adapter.config().peftVersion().orElse("(unknown)")),
                    "load the adapter with the peft that wrote it and merge it there");
        }
        return ways.stream()
                .filter(fit -> fit.transposed() == transposed)
                .findFirst()
                .orElseThrow();
    }

    private static boolean isBefore019(String version) {
        String[] parts = version.split("\\.", 3);
        try {
            int major = Integer.parseInt(parts[0]);
            int minor = parts.length < 2 ? 0 : Integer.parseInt(parts[1]);
            return major == 0 && minor < 19;
        } catch (NumberFormatException e) {
            return true;
        }
    }

    private void addTo(Fit fit, LoraParameter parameter) throws ConversionException {
        Draft draft = drafts.of(fit.stack());
        draft.asStack();
        DType roundTo =
                rounding == Rounding.PEFT && fit.stack().shape().rank() == 3
                        ? draft.dtype()
                        : DType.F32;
        int rows = (int) fit.stack().shape().extent(fit.stack().shape().rank() - 2);
        for (int expert = 0; expert < fit.experts(); expert++) {
            var delta = delta(parameter, fit.candidate(), expert, fit.experts());
            draft.add(
                    new Step.Add(
                            fit.transposed() ? delta.transposed() : delta, expert * rows, roundTo));
        }
    }

    /** scale · B[:, :, e] · A[e]; the expert counts slowest in A's rows, fastest in B's columns. */
    private Delta.Product delta(
            LoraParameter parameter, LoraParameter.Candidate candidate, int expert, int experts) {
        TensorInfo a = parameter.a();
        TensorInfo b = parameter.b();
        int rank = candidate.rank();
        int rows = Math.toIntExact(parameter.rows());
        Strided left =
                new Strided(
                        b.dtype(),
                        adapter.bytes(b),
                        expert,
                        (int) b.shape().extent(0),
                        rows,
                        rank,
                        experts,
                        null,
                        false);
        Strided right =
                Strided.of(a, adapter.bytes(a), rows, (int) a.shape().extent(1))
                        .rows(expert * rank, rank);
        return new Delta.Product(left, right, candidate.scale());
    }

    /** Adds the update of a fused stack to experts that the base keeps apart. */
    private boolean addToSeparate(LoraParameter parameter) throws ConversionException {
        for (var candidate : parameter.candidates()) {
            int experts = Math.toIntExact(parameter.rows() / candidate.rank());
            List<List<TensorInfo>> parts = separate(candidate, experts);
            if (!parts.isEmpty() && fitsSeparate(parameter, parts)) {
                for (int expert = 0; expert < experts; expert++) {
                    Delta.Product delta = delta(parameter, candidate, expert, experts);
                    int row = 0;
                    for (TensorInfo part : parts.get(expert)) {
                        int rows = (int) part.shape().extent(0);
                        Strided left = delta.left().rows(row, rows);
                        drafts.of(part)
                                .add(
                                        new Step.Add(
                                                new Delta.Product(
                                                        left, delta.right(), candidate.scale()),
                                                0,
                                                DType.F32));
                        row += rows;
                    }
                }
                return true;
            }
        }
        return false;
    }

    private static boolean fitsSeparate(LoraParameter parameter, List<List<TensorInfo>> parts) {
        for (List<TensorInfo> expert : parts) {
            long rows = 0;
            for (TensorInfo part : expert) {
                rows += part.shape().rank() == 2 ? part.shape().extent(0) : -1;
                if (part.shape().rank() != 2
                        || part.shape().extent(1) != parameter.a().shape().extent(1)) {
                    return false;
                }
            }
            if (rows != parameter.b().shape().extent(0)) {
                return false;
            }
        }
        return true;
    }

    /** Per expert the matrices that a fused parameter is made of; empty if the base has none. */
    private List<List<TensorInfo>> separate(LoraParameter.Candidate candidate, int experts)
            throws ConversionException {
        String name = candidate.tensor();
        int dot = name.lastIndexOf('.');
        List<List<String>> spellings =
                switch (name.substring(dot + 1)) {
                    case "gate_up_proj" ->
                            List.of(List.of("gate_proj", "up_proj"), List.of("w1", "w3"));
                    case "down_proj" -> List.of(List.of("down_proj"), List.of("w2"));
                    default -> List.of();
                };
        for (String block : BLOCKS) {
            String owner = name.substring(0, dot).replace(".mlp.", block);
            for (List<String> spelling : spellings) {
                List<List<TensorInfo>> found = new ArrayList<>();
                for (int expert = 0; expert < experts; expert++) {
                    List<TensorInfo> parts = new ArrayList<>();
                    for (String part : spelling) {
                        targets.tensor("%s.%d.%s.weight".formatted(owner, expert, part))
                                .ifPresent(parts::add);
                    }
                    if (parts.size() != spelling.size()) {
                        break;
                    }
                    found.add(parts);
                }
                boolean isAll =
                        found.size() == experts
                                && targets.tensor(
                                                "%s.%d.%s.weight"
                                                        .formatted(
                                                                owner,
                                                                experts,
                                                                spelling.getFirst()))
                                        .isEmpty();
                if (isAll) {
                    return found;
                }
            }
        }
        return List.of();
    }

    /** Where a fused stack of the base holds the matrix of one expert's layer. */
    static Optional<Slot> slotOf(BaseModel base, LoraModule module) {
        Matcher expert = EXPERT.matcher(module.name());
        if (!expert.matches()) {
            return Optional.empty();
        }
        String layer = expert.group(3);
        boolean isDown = layer.equals("w2") || layer.equals("down_proj");
        boolean isUp = layer.equals("w3") || layer.equals("up_proj");
        String owner = expert.group(1).replace(".block_sparse_moe", ".mlp") + ".experts.";
        List<TensorInfo> stack =
                base.names().tensor(owner + (isDown ? "down_proj" : "gate_up_proj"));
        if (stack.size() != 1 || stack.getFirst().shape().rank() != 3) {
            return Optional.empty();
        }
        Shape shape = stack.getFirst().shape();
        int number = Integer.parseInt(expert.group(2));
        long rows = isDown ? module.out() : 2L * module.out();
        boolean fits =
                number < shape.extent(0)
                        && shape.extent(1) == rows
                        && shape.extent(2) == module.in();
        return fits
                ? Optional.of(
                        new Slot(
                                stack.getFirst(),
                                Math.toIntExact(number * rows) + (isUp ? module.out() : 0)))
                : Optional.empty();
    }
}
