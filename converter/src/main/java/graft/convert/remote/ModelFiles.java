package graft.convert.remote;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

import graft.hub.HubClient;
import graft.hub.HubException;
import graft.hub.HubFile;
import graft.hub.Snapshot;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;

/**
 * The files of a repository that make up what a reference names: an adapter's configuration and
 * weights; a checkpoint's weights, index, configuration and tokenizer; one file. Not what merely
 * lies beside them: other formats of the same weights, images, training logs.
 *
 * @param root folder or file that the reference names, counted from the repository's root; empty
 *     for the root itself
 * @param weights files of tensors, in name order
 * @param small what must be read whole: configuration, index, tokenizer
 */
public record ModelFiles(String root, List<String> weights, List<String> small) {
    private static final String ADAPTER_CONFIG = "adapter_config.json";
    private static final String INDEX_ENDING = ".index.json";
    private static final List<String> SIDE_ENDINGS = List.of(".json", ".txt", ".model", ".jinja");

    /** Whole models first: the order in which readers look, too. */
    private static final List<String> WEIGHTS =
            List.of(
                    "delta.safetensors",
                    "model.safetensors.index.json",
                    "model.safetensors",
                    "pytorch_lora_weights.safetensors",
                    "pytorch_model.bin.index.json",
                    "pytorch_model.bin");

    private static final List<String> ADAPTER_WEIGHTS =
            List.of("adapter_model.safetensors", "adapter_model.bin");

    /** An index of a hundred thousand tensors has 10 MB. */
    private static final int MAX_INDEX_BYTES = 100_000_000;

    /**
     * Chooses by names; reads nothing but a sharded checkpoint's index.
     *
     * @throws HubException.NotFound if there is no model where the snapshot's reference points
     */
    public static ModelFiles of(HubClient hub, Snapshot snapshot) throws IOException {
        String root = snapshot.ref().folder();
        if (snapshot.find(root).isPresent()) {
            return ofFile(snapshot, root);
        }
        String prefix = root.isEmpty() ? "" : root + "/";
        Set<String> names = new TreeSet<>();
        for (HubFile file : snapshot.files()) {
            if (file.path().startsWith(prefix)) {
                names.add(file.path().substring(prefix.length()));
            }
        }
        var found = new Folder(hub, snapshot, prefix, names).choose();
        if (found.weights().isEmpty()) {
            throw new HubException.NotFound(
                    "%s: no model or adapter in '%s'"
                            .formatted(snapshot.label(), root.isEmpty() ? "/" : root),
                    "name the folder or the file: %s/…".formatted(snapshot.ref().id()));
        }
        return found;
    }

    /** A graph comes with its external data, weights of an adapter with their configuration. */
    private static ModelFiles ofFile(Snapshot snapshot, String path) {
        List<String> small = new ArrayList<>();
        List<String> weights = new ArrayList<>(List.of(path));
        int cut = path.lastIndexOf('/') + 1;
        String folder = path.substring(0, cut);
        for (HubFile file : snapshot.files()) {
            String other = file.path();
            boolean beside = other.startsWith(folder) && other.indexOf('/', cut) < 0;
            if (beside && path.endsWith(".onnx") && !other.equals(path)) {
                if (other.startsWith(path) || other.matches(".*[._]data")) {
                    weights.add(other);
                }
            }
            if (other.equals(folder + ADAPTER_CONFIG) && !other.equals(path)) {
                small.add(other);
            }
        }
        return new ModelFiles(path, weights, small);
    }

    /** All of them. */
    public List<String> all() {
        List<String> all = new ArrayList<>(small);
        all.addAll(weights);
        return all;
    }

    /** Of the small files, those that say how the weights are laid out. */
    List<String> layout() {
        return small.stream()
                .filter(name -> name.endsWith(ADAPTER_CONFIG) || name.endsWith(INDEX_ENDING))
                .toList();
    }

    /** Whether headers tell what is inside: of safetensors they do, of pickles and graphs not. */
    public boolean haveHeaders() {
        return weights.stream().allMatch(name -> name.endsWith(".safetensors"));
    }

    /** One folder of a repository, {@code names} counted from it. */
    private record Folder(HubClient hub, Snapshot snapshot, String prefix, Set<String> names) {
        ModelFiles choose() throws IOException {
            List<String> weights = new ArrayList<>();
            Set<String> small = new TreeSet<>();
            if (names.contains(ADAPTER_CONFIG)) {
                adapter("", weights, small);
            } else {
                String first = WEIGHTS.stream().filter(names::contains).findFirst().orElse("");
                if (first.isEmpty()) {
                    manyAdapters(weights, small);
                }
                if (weights.isEmpty()) {
                    checkpoint(first.isEmpty() ? onlyOne() : first, weights, small);
                }
            }
            return new ModelFiles(snapshot.ref().folder(), rooted(weights), rooted(small));
        }

        private void adapter(String folder, List<String> weights, Set<String> small) {
            small.add(folder + ADAPTER_CONFIG);
            ADAPTER_WEIGHTS.stream()
                    .map(folder::concat)
                    .filter(names::contains)
                    .findFirst()
                    .ifPresent(weights::add);
            if (names.contains(folder + "README.md")) {
                small.add(folder + "README.md");
            }
        }

        private void checkpoint(String first, List<String> weights, Set<String> small)
                throws IOException {
            if (first.endsWith(INDEX_ENDING)) {
                small.add(first);
                weights.addAll(shards(first));
            } else if (!first.isEmpty()) {
                weights.add(first);
            }
            names.stream().filter(Folder::isSide).forEach(small::add);
        }

        /** A file of weights with a name of its own. */
        private String onlyOne() {
            List<String> all =
                    names.stream()
                            .filter(n -> n.endsWith(".safetensors") && !n.contains("/"))
                            .toList();
            return all.size() == 1 ? all.getFirst() : "";
        }

        /** Folders of adapters right below: {@code reduce} takes them all. */
        private void manyAdapters(List<String> weights, Set<String> small) {
            for (String name : names) {
                int cut = name.indexOf('/') + 1;
                if (cut > 0 && name.substring(cut).equals(ADAPTER_CONFIG)) {
                    adapter(name.substring(0, cut), weights, small);
                }
            }
        }

        private Set<String> shards(String index) throws IOException {
            Set<String> shards = new TreeSet<>();
            JsonNode map;
            try {
                byte[] json = hub.read(snapshot, prefix + index, MAX_INDEX_BYTES);
                map = new ObjectMapper().readTree(json).path("weight_map");
            } catch (JsonProcessingException e) {
                throw problem(index + " is no JSON");
            }
            for (JsonNode shard : map) {
                if (!names.contains(shard.asText())) {
                    throw problem("%s names a shard that is not there".formatted(index));
                }
                shards.add(shard.asText());
            }
            return shards;
        }

        private HubException problem(String problem) {
            return new HubException.Corrupted(
                    snapshot.label() + ": " + problem, "tell the owner of the repository");
        }

        private static boolean isSide(String name) {
            String lower = name.toLowerCase(Locale.ROOT);
            boolean index = lower.endsWith(INDEX_ENDING);
            return !name.contains("/")
                    && !index
                    && (lower.equals("readme.md")
                            || SIDE_ENDINGS.stream().anyMatch(lower::endsWith));
        }

        private List<String> rooted(java.util.Collection<String> some) {
            return some.stream().map(prefix::concat).toList();
        }
    }
}
