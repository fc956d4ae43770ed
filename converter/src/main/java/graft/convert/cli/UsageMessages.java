package graft.convert.cli;

import picocli.CommandLine;
import picocli.CommandLine.MissingParameterException;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.MutuallyExclusiveArgsException;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/** Turns picocli's parse errors into one line and one remedy; never the whole usage text. */
final class UsageMessages {
    /** Names that other tools use for ours. */
    private static final Map<String, String> ELSEWHERE =
            Map.of(
                    "--new_rank", "--rank",
                    "--new-rank", "--rank",
                    "--max-rank", "--rank",
                    "--max_rank", "--rank",
                    "--rank_threshold", "--energy",
                    "--sv_fro", "--energy",
                    "--out", "--output",
                    "--out-path", "--output",
                    "--base-model", "--base",
                    "--num-threads", "--threads");

    private UsageMessages() {}

    static UsageException of(ParameterException error) {
        CommandLine line = error.getCommandLine();
        String list = "`%s -h` lists options".formatted(line.getCommandSpec().qualifiedName());
        return switch (error) {
            case UnmatchedArgumentException e when !e.getUnmatched().isEmpty() ->
                    unmatched(e, line, list);
            case MissingParameterException e -> new UsageException(missing(e), list);
            case MutuallyExclusiveArgsException e -> new UsageException(firstLine(e), list);
            case ParameterException e when e.getCause() instanceof UsageException own -> own;
            case ParameterException e when choices(e).isPresent() ->
                    new UsageException(
                            given(e), "give one of %s; %s".formatted(choices(e).get(), list));
            default -> new UsageException(firstLine(error), list);
        };
    }

    private static UsageException unmatched(
            UnmatchedArgumentException error, CommandLine line, String list) {
        String unknown = error.getUnmatched().getFirst();
        boolean option = unknown.startsWith("-");
        boolean verb = !option && line.getParent() == null;
        String what = option ? "unknown option" : verb ? "unknown command" : "unexpected argument";
        List<String> names =
                option
                        ? List.copyOf(line.getCommandSpec().optionsMap().keySet())
                        : List.copyOf(line.getSubcommands().keySet());
        String word = unknown.contains("=") ? unknown.substring(0, unknown.indexOf('=')) : unknown;
        String ours = word.replace('_', '-');
        String near =
                names.contains(ours) ? ours : ELSEWHERE.getOrDefault(word, nearest(ours, names));
        boolean known = names.contains(near);
        return new UsageException(
                "%s '%s'".formatted(what, unknown),
                known ? "did you mean '%s'? %s".formatted(near, list) : list);
    }

    private static String missing(MissingParameterException error) {
        String names =
                error.getMissing().stream()
                        .map(spec ->
                                spec.isOption()
                                        ? ((OptionSpec) spec).longestName()
                                        : spec.paramLabel())
                        .collect(Collectors.joining(", "));
        boolean oneOf = String.valueOf(error.getMessage()).contains("specify one of these");
        return names.isEmpty() ? firstLine(error) : "missing " + (oneOf ? "one of " : "") + names;
    }

    /** What an option or parameter takes, where that is a few words. */
    private static Optional<String> choices(ParameterException error) {
        return Optional.ofNullable(error.getArgSpec())
                .map(ArgSpec::paramLabel)
                .filter(label -> label.indexOf('|') > 0)
                .map(label -> label.replace("|", ", "));
    }

    private static String given(ParameterException error) {
        return error.getArgSpec() instanceof OptionSpec option
                ? "%s %s".formatted(option.longestName(), error.getValue())
                : "unexpected argument '%s'".formatted(error.getValue());
    }

    private static String firstLine(Exception error) {
        String message = error.getMessage() == null ? error.toString() : error.getMessage();
        return message.lines().findFirst().orElse(message).replaceFirst("^Error: ", "");
    }

    /** The closest name within a third of its length of edits, or the word itself. */
    static String nearest(String word, List<String> names) {
        String best = word;
        int least = Math.max(2, word.length() / 3) + 1;
        for (String name : names) {
            int distance = distance(word, name);
            if (distance < least) {
                least = distance;
                best = name;
            }
        }
        return best;
    }

    /** Edits (insert, delete, replace, swap neighbours) from one word to the other. */
    private static int distance(String a, String b) {
        int[][] d = new int[a.length() + 1][b.length() + 1];
        for (int i = 0; i <= a.length(); i++) {
            for (int j = 0; j <= b.length(); j++) {
                if (i == 0 || j == 0) {
                    d[i][j] = i + j;
                    continue;
                }
                int replace = d[i - 1][j - 1] + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                d[i][j] = Math.min(replace, 1 + Math.min(d[i - 1][j], d[i][j - 1]));
                boolean swapped =
                        i > 1
                                && j > 1
                                && a.charAt(i - 1) == b.charAt(j - 2)
                                && a.charAt(i - 2) == b.charAt(j - 1);
                if (swapped) {
                    d[i][j] = Math.min(d[i][j], d[i - 2][j - 2] + 1);
                }
            }
        }
        return d[a.length()][b.length()];
    }
}
