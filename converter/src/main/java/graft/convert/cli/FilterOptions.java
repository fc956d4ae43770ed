package graft.convert.cli;

import picocli.CommandLine.Option;

import java.util.ArrayList;
import java.util.List;

/** Which files of a folder or repository move. */
final class FilterOptions {
    @Option(
            names = "--include",
            paramLabel = "GLOB",
            description = "Only what matches; repeatable.")
    List<String> include = new ArrayList<>();

    @Option(names = "--exclude", paramLabel = "GLOB", description = "Not what matches; repeatable.")
    List<String> exclude = new ArrayList<>();
}
