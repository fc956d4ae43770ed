package graft.convert.cli;

import picocli.CommandLine.Option;

/** Whether to go on where a base does not look like one. */
final class KinshipOptions {
    @Option(
            names = "--allow-unrelated-base",
            description = "Go on with a base that a fine-tune seems not to come from.")
    boolean allowUnrelated;
}
