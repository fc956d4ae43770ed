package graft.convert.apply;

import graft.convert.ConversionException;
import graft.formats.FileSpot;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SortedSet;

/**
 * Which base each component of an adapter belongs to, and where its result goes.
 *
 * @param parts one per component
 * @param pipeline the folder whose other parts are copied; null if the bases were given one by one
 */
record Components(List<Part> parts, @org.jspecify.annotations.Nullable Path pipeline) {
    /**
     * @param component as the adapter calls it
     * @param folder below the output; empty for the output itself
     */
    record Part(String component, String folder, AdapterRequest.Base base) {}

    private static final String PIPELINE_FILE = "model_index.json";

    /**
     * @throws ConversionException.BaseMismatch if a component has no base, or a base no component
     */
    static Components of(SortedSet<String> components, List<AdapterRequest.Base> bases)
            throws ConversionException.BaseMismatch {
        AdapterRequest.Base first = bases.getFirst();
        boolean isNamed = !first.component().isEmpty();
        if (!isNamed) {
            if (components.contains("")) {
                return new Components(List.of(new Part("", "", first)), null);
            }
            if (Files.exists(first.path().resolve(PIPELINE_FILE))) {
                return ofPipeline(components, first);
            }
            if (components.size() == 1) {
                return new Components(List.of(new Part(components.first(), "", first)), null);
            }
            throw new ConversionException.BaseMismatch(
                    "the adapter changes %s, and %s is no pipeline with these parts"
                            .formatted(String.join(", ", components), first.source()),
                    "give a diffusers folder with its %s, or each part: %s"
                            .formatted(PIPELINE_FILE, asOptions(components)));
        }
        List<Part> parts = new ArrayList<>();
        Set<AdapterRequest.Base> unused = new HashSet<>(bases);
        for (String component : components) {
            AdapterRequest.Base base =
                    bases.stream()
                            .filter(b -> names(component, b.component()))
                            .findFirst()
                            .orElseThrow(() -> noBase(components, component));
            unused.remove(base);
            parts.add(new Part(component, base.component(), base));
        }
        if (!unused.isEmpty()) {
            throw new ConversionException.BaseMismatch(
                    "the adapter does not change %s"
                            .formatted(FileSpot.quote(unused.iterator().next().component())),
                    "it changes: " + asOptions(components));
        }
        return new Components(parts, null);
    }

    private static Components ofPipeline(SortedSet<String> components, AdapterRequest.Base base)
            throws ConversionException.BaseMismatch {
        List<Part> parts = new ArrayList<>();
        for (String component : components) {
            Path folder = base.path().resolve(component);
            boolean isTransformer = component.equals("unet") && !Files.isDirectory(folder);
            String name = isTransformer ? "transformer" : component;
            Path path = base.path().resolve(name);
            if (!Files.isDirectory(path)) {
                throw noBase(components, component);
            }
            var part = new AdapterRequest.Base(component, path, base.source() + "/" + name);
            parts.add(new Part(component, name, part));
        }
        return new Components(parts, base.path());
    }

    /** kohya calls the transformer of newer pipelines unet as well. */
    private static boolean names(String component, String given) {
        return given.equals(component) || (component.equals("unet") && given.equals("transformer"));
    }

    private static ConversionException.BaseMismatch noBase(
            SortedSet<String> components, String missing) {
        return new ConversionException.BaseMismatch(
                "no base for %s, which the adapter changes".formatted(missing),
                "give all of: " + asOptions(components));
    }

    private static String asOptions(SortedSet<String> components) {
        return components.contains("")
                ? "--base PATH"
                : String.join(" ", components.stream().map(c -> "--base " + c + "=PATH").toList());
    }
}
