package graft.formats;

import graft.formats.checkpoint.Checkpoint;

import java.lang.management.ManagementFactory;
import java.nio.file.Path;

/**
 * Opens checkpoints one after the other and prints a line each: what came of it, and CPU
 * milliseconds. Started by {@link HostileInputsTest} with a small heap.
 */
final class OpenInChild {
    private OpenInChild() {}

    public static void main(String[] files) throws Exception {
        var threads = ManagementFactory.getThreadMXBean();
        for (String file : files) {
            long start = threads.getCurrentThreadCpuTime();
            String outcome;
            try (var checkpoint = Checkpoint.open(Path.of(file))) {
                outcome = "accepted/" + checkpoint.tensors().size();
            } catch (FormatException e) {
                outcome = e.rule().orElseThrow().code();
            }
            long millis = (threads.getCurrentThreadCpuTime() - start) / 1_000_000;
            System.out.println(outcome + " " + millis);
        }
    }
}
