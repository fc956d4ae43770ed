package graft.convert.cli;

import java.nio.file.Path;
import java.util.List;

/**
 * Does once in small what most runs do, for {@code -XX:AOTCacheOutput}: the virtual machine then
 * starts with the classes loaded and linked, and knows which methods will be hot. The launcher runs
 * it after a build; nothing else needs it.
 */
final class Rehearsal {
    private Rehearsal() {}

    /** {@code testdata} and an empty folder to write to. */
    public static void main(String[] args) throws Exception {
        Path testdata = Path.of(args[0]);
        Path work = Path.of(args[1]);
        String adapter = testdata.resolve("families/mini/lora-pos").toString();
        String base = testdata.resolve("families/mini/base").toString();
        String fineTune = testdata.resolve("families/mini/fft-pos").toString();
        String delta = work.resolve("delta").toString();
        String archive = work.resolve("archive.tar").toString();
        String weights = RehearsedWeights.write(work.resolve("model.safetensors")).toString();
        List<List<String>> verbs =
                List.of(
                        List.of("-h"),
                        List.of("inspect", adapter),
                        List.of("reduce", adapter, "--rank", "4", "-o", work + "/reduced"),
                        List.of("apply", adapter, "--base", base, "-o", work + "/merged"),
                        List.of(
                                "extract",
                                fineTune,
                                "--base",
                                base,
                                "--rank",
                                "4",
                                "-o",
                                work + "/x"),
                        List.of("sparsify", fineTune, "--base", base, "-o", delta),
                        List.of("apply", delta, "--base", base, "-o", work + "/rebuilt"),
                        List.of("verify", delta),
                        List.of(
                                "convert",
                                fineTune,
                                testdata.resolve("families/mini/fft-spam").toString(),
                                "--base",
                                base,
                                "--density",
                                "0.05",
                                "-o",
                                work + "/converted"),
                        List.of("pack", fineTune, "--base", base, "-o", archive),
                        List.of("verify", archive, "--base", base),
                        List.of("unpack", archive, "--base", base, "-o", work + "/unpacked"),
                        List.of("pack", weights, "-o", weights + ".tar"),
                        List.of("verify", weights + ".tar"),
                        List.of("unpack", weights + ".tar", "-o", work + "/weights"));
        for (List<String> verb : verbs) {
            String[] line = verb.toArray(String[]::new);
            int code = GraftCommand.commandLine(line).execute(line);
            if (code != 0) {
                throw new IllegalStateException("exit code %d of %s".formatted(code, verb));
            }
        }
        RehearsedHub.download(
                testdata.resolve("families/mini/fft-pos/model.safetensors"), work.resolve("hub"));
    }
}
