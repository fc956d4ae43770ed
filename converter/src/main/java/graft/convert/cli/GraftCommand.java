package graft.convert.cli;

import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExecutionException;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.RunLast;
import picocli.CommandLine.Spec;

import java.io.Closeable;
import java.io.IOException;
import java.util.List;
import java.util.Set;

/** {@code graft} itself: the verbs below it do everything. */
@Command(
        name = "graft",
        description = "Reuses fine-tuned models cheaply: compresses them, exports them to ONNX.",
        versionProvider = Versions.class,
        footer = {
            "",
            "Examples:",
            "  graft quickstart",
            "  graft inspect my-adapter",
            "  graft reduce my-adapter --rank 8 -o small",
            "",
            "REF is a local file or folder, or org/name[@revision][/folder] on the Hub.",
            "`graft VERB -h` lists a verb's options."
        })
final class GraftCommand implements Runnable {
    private static final List<Class<?>> VERBS =
            List.of(
                    ConvertCommand.class,
                    QuickstartCommand.class,
                    InspectCommand.class,
                    ReduceCommand.class,
                    CombineCommand.class,
                    ExtractCommand.class,
                    SparsifyCommand.class,
                    MergeCommand.class,
                    SweepCommand.class,
                    FrontierCommand.class,
                    ApplyCommand.class,
                    ExportCommand.class,
                    PackCommand.class,
                    UnpackCommand.class,
                    VerifyCommand.class,
                    DownloadCommand.class,
                    UploadCommand.class,
                    CacheCommand.class,
                    EnvCommand.class,
                    HelpCommand.class,
                    CompletionCommand.class);

    /** What tells about all verbs. */
    private static final Set<Class<?>> ON_ALL = Set.of(HelpCommand.class, CompletionCommand.class);

    @Spec CommandSpec spec;

    @SuppressWarnings("NullAway.Init") // picocli sets the spec
    GraftCommand() {}

    @Override
    public void run() {
        throw new ParameterException(
                spec.commandLine(), "no command given; try 'graft quickstart'");
    }

    /** The whole command line, ready to execute; {@code arguments} are for the form of errors. */
    static CommandLine commandLine(String[] arguments) {
        var line = new CommandLine(new GraftCommand());
        verbs(arguments).forEach(line::addSubcommand);
        line.setExecutionStrategy(GraftCommand::execute);
        line.setExecutionExceptionHandler(Errors::onExecution);
        line.setParameterExceptionHandler((error, _) -> Errors.onParameters(error, arguments));
        line.setUnmatchedOptionsArePositionalParams(false);
        addHelp(line);
        return line;
    }

    /** The verb that is asked for if there is one: reading the options of all takes a while. */
    private static List<Class<?>> verbs(String[] arguments) {
        String asked = arguments.length == 0 ? "" : arguments[0];
        return VERBS.stream()
                .filter(verb -> verb.getAnnotation(Command.class).name().equals(asked))
                .filter(verb -> !ON_ALL.contains(verb))
                .findFirst()
                .map(List::<Class<?>>of)
                .orElse(VERBS);
    }

    /** Runs the verb, and ends what it opened at the Hub however it ends. */
    private static int execute(ParseResult parsed) {
        CommandLine verb = parsed.asCommandLineList().getLast();
        try (Closeable _ = opened(verb)) {
            return new RunLast().execute(parsed);
        } catch (IOException e) {
            throw new ExecutionException(verb, "cannot end the session", e);
        }
    }

    private static Closeable opened(CommandLine verb) {
        for (Object mixin : verb.getMixins().values()) {
            if (mixin instanceof CommonOptions common) {
                return common::close;
            }
        }
        return () -> {};
    }

    private static void addHelp(CommandLine line) {
        line.getCommandSpec().mixinStandardHelpOptions(true);
        line.getSubcommands().values().forEach(GraftCommand::addHelp);
    }
}
