package graft.hub;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The environment variables of huggingface_hub ({@code constants.py}, {@code utils/_auth.py}) and
 * what they mean here. An empty variable is an unset one.
 *
 * <p>Token, first found wins: {@code HF_TOKEN}, {@code HUGGING_FACE_HUB_TOKEN}, the file {@code
 * HF_TOKEN_PATH} (default {@code $HF_HOME/token}); none of them with {@code
 * HF_HUB_DISABLE_IMPLICIT_TOKEN}.
 */
final class HubEnvironment {
    private static final Set<String> TRUE = Set.of("1", "ON", "YES", "TRUE");
    private static final Pattern VARIABLE = Pattern.compile("\\$(?:\\{(\\w+)}|(\\w+))");
    private static final long MAX_TOKEN_BYTES = 4096;

    /** Longer than the Hub's windows of rate limits, five minutes. */
    private static final Duration DEADLINE = Duration.ofMinutes(6);

    private final Map<String, String> variables;

    private HubEnvironment(Map<String, String> variables) {
        this.variables = variables;
    }

    static HubOptions options(Map<String, String> variables) {
        var environment = new HubEnvironment(variables);
        return new HubOptions(
                environment.endpoint(),
                environment.token(),
                environment.cache(),
                environment.isTrue("HF_HUB_OFFLINE") || environment.isTrue("TRANSFORMERS_OFFLINE"),
                HubOptions.DEFAULT_WORKERS,
                environment.seconds("HF_HUB_ETAG_TIMEOUT"),
                environment.seconds("HF_HUB_DOWNLOAD_TIMEOUT"),
                DEADLINE,
                HubOptions.DEFAULT_SEGMENT_BYTES,
                !environment.isTrue("HF_HUB_DISABLE_SYMLINKS"),
                environment.userAgent());
    }

    private URI endpoint() {
        String text = get("HF_ENDPOINT").orElse("https://huggingface.co").replaceAll("/+$", "");
        try {
            return URI.create(text);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("HF_ENDPOINT '%s' is no URL".formatted(text), e);
        }
    }

    private Optional<Token> token() {
        if (isTrue("HF_HUB_DISABLE_IMPLICIT_TOKEN")) {
            return Optional.empty();
        }
        for (String name : new String[] {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}) {
            Optional<String> value = get(name).map(String::strip).filter(v -> !v.isEmpty());
            if (value.isPresent()) {
                return Optional.of(parse(value.get(), name));
            }
        }
        Path file = get("HF_TOKEN_PATH").map(this::path).orElseGet(() -> home().resolve("token"));
        try {
            if (!Files.isRegularFile(file) || Files.size(file) > MAX_TOKEN_BYTES) {
                return Optional.empty();
            }
            String text = Files.readString(file).strip();
            return text.isEmpty() ? Optional.empty() : Optional.of(parse(text, file.toString()));
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read the token in " + file, e);
        }
    }

    private static Token parse(String text, String source) {
        try {
            return Token.of(text);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(source + ": " + e.getMessage(), e);
        }
    }

    private Path cache() {
        return get("HF_HUB_CACHE")
                .or(() -> get("HUGGINGFACE_HUB_CACHE"))
                .map(this::path)
                .orElseGet(() -> home().resolve("hub"));
    }

    private Path home() {
        return get("HF_HOME")
                .map(this::path)
                .orElseGet(() ->
                        get("XDG_CACHE_HOME")
                                .map(this::path)
                                .orElseGet(() -> path("~/.cache"))
                                .resolve("huggingface"));
    }

    /** {@code ~} and {@code $NAME} as Python's {@code expanduser} and {@code expandvars}. */
    private Path path(String text) {
        String user = get("HOME").orElseGet(() -> System.getProperty("user.home"));
        String expanded =
                text.equals("~") || text.startsWith("~/") ? user + text.substring(1) : text;
        Matcher variable = VARIABLE.matcher(expanded);
        return Path.of(
                variable.replaceAll(match -> {
                    String name = match.group(1) == null ? match.group(2) : match.group(1);
                    return Matcher.quoteReplacement(get(name).orElse(match.group()));
                }));
    }

    private Duration seconds(String name) {
        String text = get(name).orElse("10");
        try {
            int seconds = Integer.parseInt(text.strip());
            if (seconds > 0) {
                return Duration.ofSeconds(seconds);
            }
        } catch (NumberFormatException e) {
            // told below, with the zero
        }
        throw new IllegalArgumentException("%s '%s' is no number of seconds".formatted(name, text));
    }

    private String userAgent() {
        String own = "graft/" + version();
        if (!isTrue("HF_HUB_DISABLE_TELEMETRY") && !isTrue("DO_NOT_TRACK")) {
            own += "; java/" + Runtime.version().feature();
        }
        return get("HF_HUB_USER_AGENT_ORIGIN")
                .filter(origin -> origin.chars().allMatch(c -> c > ' ' && c < 127))
                .map(own.concat("; origin/")::concat)
                .orElse(own);
    }

    private static String version() {
        String version = HubEnvironment.class.getPackage().getImplementationVersion();
        return version == null ? "dev" : version;
    }

    private boolean isTrue(String name) {
        return get(name).map(v -> TRUE.contains(v.toUpperCase(Locale.ROOT))).orElse(false);
    }

    private Optional<String> get(String name) {
        return Optional.ofNullable(variables.get(name)).filter(value -> !value.isEmpty());
    }
}
