package graft.convert.cli;

import graft.formats.FileSpot;
import graft.formats.StrictJson;

import java.io.IOException;
import java.io.UncheckedIOException;

/** Entry point of {@code graft}. */
public final class Main {
    private Main() {}

    public static void main(String[] args) {
        Thread.ofPlatform().daemon().name("graft-start").start(Main::prepare);
        var line = GraftCommand.commandLine(args);
        int code;
        try {
            code = line.execute(args);
        } catch (Error e) { // no heap, no native library: picocli hands on exceptions only
            code = Errors.onError(e, line, args);
        }
        System.exit(code);
    }

    /**
     * Uses the JSON parser once, on the second core while the first reads the command line:
     * BigDecimal alone, on which it depends, takes 20 ms to set up.
     */
    private static void prepare() {
        try {
            StrictJson.read(FileSpot.of("nothing"), "", new byte[] {'0'});
        } catch (IOException e) {
            throw new UncheckedIOException(e); // reads memory
        }
    }
}
