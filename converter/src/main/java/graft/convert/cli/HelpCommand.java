package graft.convert.cli;

import org.jspecify.annotations.Nullable;

import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

import java.util.concurrent.Callable;

@Command(name = "help", description = "Help on a verb, or on exit-codes, environment, formats.")
final class HelpCommand implements Callable<Integer> {
    private static final String ENVIRONMENT =
            """
            GRAFT_JAVA_HOME               JDK that the launcher tries first (25.0.3 or a later 25)
            GRAFT_JAVA_OPTS               JVM options, such as -Xmx256m
            GRAFT_DEBUG=1                 stack traces, as --verbose
            NO_COLOR                      no colour (there is none now)

            The Hub, as huggingface_hub (1, ON, YES and TRUE mean yes):
            HF_TOKEN                      access token; then HUGGING_FACE_HUB_TOKEN, then the file
            HF_TOKEN_PATH                 file with the token; default $HF_HOME/token
            HF_HUB_DISABLE_IMPLICIT_TOKEN use no token but that of --token
            HF_HOME                       default $XDG_CACHE_HOME/huggingface, ~/.cache/huggingface
            HF_HUB_CACHE                  the cache; then HUGGINGFACE_HUB_CACHE; default $HF_HOME/hub
            HF_ENDPOINT                   another Hub than https://huggingface.co
            HF_HUB_OFFLINE                no network, as --offline; TRANSFORMERS_OFFLINE likewise
            HF_HUB_ETAG_TIMEOUT           seconds to wait for an answer; default 10
            HF_HUB_DOWNLOAD_TIMEOUT       seconds to wait for the next bytes; default 10
            HF_HUB_DISABLE_SYMLINKS       files instead of links in the cache
            HF_HUB_DISABLE_PROGRESS_BARS  no progress bar, plain lines instead
            HF_HUB_USER_AGENT_ORIGIN      added to the User-Agent header
            HF_HUB_DISABLE_TELEMETRY      no Java version in that header; DO_NOT_TRACK likewise
            HF_DEBUG=1                    as GRAFT_DEBUG
            """;

    private static final String FORMATS =
            """
            read     checkpoints: safetensors and torch.save (.bin, .pt), one file or shards
                     adapters: PEFT's kinds, diffusers' and kohya's LoRA; .onnx_adapter
                     sparse deltas (docs/sparse-delta.md), ONNX with external data
                     archives (docs/archive-format.md), mergekit's configuration files (merge)
            written  checkpoints as safetensors, LoRA adapters as PEFT, diffusers or kohya,
                     sparse deltas, sparse-bitmask residuals (compressed-tensors), ONNX with
                     external data, .onnx_adapter, archives, graft.json (what was kept and lost)
            """;

    @Spec CommandSpec spec;

    @Parameters(arity = "0..1", paramLabel = "TOPIC", description = "A verb, or a topic.")
    @Nullable String topic;

    @SuppressWarnings("NullAway.Init") // picocli sets the spec
    HelpCommand() {}

    @Override
    public Integer call() {
        CommandLine root = spec.parent().commandLine();
        String text =
                switch (topic) {
                    case null -> root.getUsageMessage();
                    case "exit-codes" -> ExitCodes.HELP;
                    case "environment" -> ENVIRONMENT;
                    case "formats" -> FORMATS;
                    default -> verb(root, topic);
                };
        spec.commandLine().getOut().print(text);
        spec.commandLine().getOut().flush();
        return ExitCodes.DONE;
    }

    private static String verb(CommandLine root, String name) {
        CommandLine verb = root.getSubcommands().get(name);
        if (verb == null) {
            throw new UsageException(
                    "no help on '" + name + "'",
                    "topics are exit-codes, environment, formats and every verb");
        }
        return verb.getUsageMessage();
    }
}
