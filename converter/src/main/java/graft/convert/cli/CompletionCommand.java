package graft.convert.cli;

import picocli.AutoComplete;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

import java.util.concurrent.Callable;

@Command(
        name = "completion",
        description = "Print a completion script: source <(graft completion bash)")
final class CompletionCommand implements Callable<Integer> {
    /** Shells that picocli's script serves; zsh reads it through bashcompinit. */
    enum Shell {
        bash,
        zsh
    }

    @Spec CommandSpec spec;

    @Parameters(paramLabel = "bash|zsh", description = "Your shell.")
    Shell shell;

    @SuppressWarnings("NullAway.Init") // picocli sets both
    CompletionCommand() {}

    @Override
    public Integer call() {
        var root = spec.parent().commandLine();
        spec.commandLine().getOut().print(AutoComplete.bash("graft", root));
        spec.commandLine().getOut().flush();
        return ExitCodes.DONE;
    }
}
