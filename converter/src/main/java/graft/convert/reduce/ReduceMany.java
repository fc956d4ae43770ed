package graft.convert.reduce;

import graft.convert.ledger.Ledger;
import graft.convert.ledger.LedgerWriter;
import graft.convert.plan.Inputs;
import graft.convert.plan.Progress;
import graft.convert.plan.Workers;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * Reduces many adapters in one process, each into a folder of its own below one output, which
 * appears when all of them are done. Adapters run beside each other on one pool; bytes are those of
 * reducing each alone.
 */
public final class ReduceMany {
    private record Item(ReduceRequest.Source source, String folder) {}

    /**
     * @param request its sources are reduced one by one, under its policy
     * @return a ledger whose results have one row per adapter
     * @throws graft.convert.ConversionException as {@link ReduceAdapter#run}; nothing is kept then
     */
    public Ledger run(ReduceRequest request) throws IOException {
        long start = System.nanoTime();
        List<Item> items = named(request.sources());
        request.progress().phase("reduce %d adapters".formatted(items.size()), items.size());
        try (var workers = new Workers(request.threads())) {
            int inner = Math.max(1, workers.threads() / items.size());
            if (request.dryRun()) {
                return ledger(
                        request, items, each(request, items, request.output(), inner, workers));
            }
            try (var staged = Inputs.stage(request.output(), request.force())) {
                List<Ledger> parts = each(request, items, staged.path(), inner, workers);
                Ledger ledger =
                        ledger(request, items, parts)
                                .withOutputs(
                                        LedgerWriter.outputs(
                                                staged.path(),
                                                hashes(items, parts, staged.path())));
                LedgerWriter.write(staged.path(), ledger, workers.figuresSince(start));
                staged.commit();
                return ledger;
            }
        }
    }

    /** What the ledgers of the parts say of their outputs. */
    private static Map<Path, String> hashes(List<Item> items, List<Ledger> parts, Path root) {
        Map<Path, String> hashes = new HashMap<>();
        for (int i = 0; i < parts.size(); i++) {
            Path folder = root.resolve(items.get(i).folder());
            for (Ledger.Output output : parts.get(i).outputs()) {
                hashes.put(folder.resolve(output.path()), output.sha256());
            }
        }
        return hashes;
    }

    private static List<Ledger> each(
            ReduceRequest request, List<Item> items, Path root, int inner, Workers workers)
            throws IOException {
        return workers.map(
                items,
                item -> {
                    Ledger ledger =
                            new ReduceAdapter()
                                    .run(
                                            new ReduceRequest(
                                                    request.command(),
                                                    List.of(item.source()),
                                                    request.policy(),
                                                    request.base(),
                                                    request.factorsOnly(),
                                                    root.resolve(item.folder()),
                                                    false,
                                                    request.dryRun(),
                                                    inner,
                                                    request.kernel(),
                                                    Progress.NONE));
                    request.progress().advance(1);
                    return ledger;
                });
    }

    /** A folder name per adapter: its own last name, numbered where two are alike. */
    private static List<Item> named(List<ReduceRequest.Source> sources) {
        Set<String> taken = new HashSet<>();
        List<Item> items = new ArrayList<>();
        for (ReduceRequest.Source source : sources) {
            Path last = source.folder().toAbsolutePath().normalize().getFileName();
            String name = last == null ? "adapter" : last.toString();
            String folder = name;
            for (int i = 2; !taken.add(folder); i++) {
                folder = name + "-" + i;
            }
            items.add(new Item(source, folder));
        }
        return items;
    }

    private static Ledger ledger(ReduceRequest request, List<Item> items, List<Ledger> parts) {
        List<Ledger.Input> inputs = new ArrayList<>();
        List<Map<String, Object>> rows = new ArrayList<>();
        List<String> warnings = new ArrayList<>();
        double energy = 0;
        double lost = 0;
        Map<String, Number> sums = new TreeMap<>();
        for (int i = 0; i < parts.size(); i++) {
            Ledger part = parts.get(i);
            Map<String, Object> row = new TreeMap<>(part.totals());
            row.put("adapter", items.get(i).source().name());
            row.put("folder", items.get(i).folder());
            rows.add(row);
            inputs.addAll(part.inputs());
            warnings.addAll(part.warnings());
            double norm = part.total("norm");
            energy += norm * norm;
            lost += norm * norm * part.total("relativeError") * part.total("relativeError");
            for (String sum :
                    List.of(
                            "modules",
                            "modulesDropped",
                            "modulesByQr",
                            "bytesIn",
                            "bytesOut",
                            "fileBytes")) {
                sums.merge(sum, (long) part.total(sum), (x, y) -> x.longValue() + y.longValue());
            }
        }
        sums.put("adapters", parts.size());
        sums.put("relativeError", energy == 0 ? 0 : Math.sqrt(lost / energy));
        return new Ledger(
                request.command(),
                inputs,
                parts.getFirst().options(),
                List.of(),
                List.of(),
                sums,
                rows,
                warnings);
    }
}
