package graft.convert.cli;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;

import graft.formats.FileSpot;
import graft.formats.FormatException;

import picocli.CommandLine;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.util.List;

/** Prints errors: one line that says what and where, one that says what to do. */
final class Errors {
    private Errors() {}

    /** A command failed while it ran. */
    static int onExecution(Exception error, CommandLine line, CommandLine.ParseResult parsed) {
        var arguments = parsed.originalArgs();
        return report(error, line, isJson(arguments), isVerbose(arguments));
    }

    /** The command line itself is wrong. */
    static int onParameters(CommandLine.ParameterException error, String[] arguments) {
        var line = error.getCommandLine();
        var usage = UsageMessages.of(error);
        return report(usage, line, isJson(List.of(arguments)), false);
    }

    /** The virtual machine gave up: out of memory, or a library that does not load. */
    static int onError(Error error, CommandLine line, String[] arguments) {
        var list = List.of(arguments);
        return report(error, line, isJson(list), isVerbose(list));
    }

    private static boolean isJson(List<String> arguments) {
        int format = arguments.indexOf("--format");
        return arguments.contains("--json")
                || arguments.contains("--format=json")
                || (format >= 0
                        && format + 1 < arguments.size()
                        && arguments.get(format + 1).equals("json"));
    }

    private static boolean isVerbose(List<String> arguments) {
        return arguments.contains("-v")
                || arguments.contains("--verbose")
                || "1".equals(System.getenv("GRAFT_DEBUG"))
                || "1".equals(System.getenv("HF_DEBUG"));
    }

    private static int report(Throwable error, CommandLine line, boolean json, boolean verbose) {
        int code = ExitCodes.of(error);
        PrintWriter err = line.getErr();
        err.println("graft: " + ExitCodes.message(error).replaceAll("\\R+", " "));
        err.println("help: " + ExitCodes.help(error));
        if (verbose) {
            error.printStackTrace(err);
        }
        err.flush();
        if (json) {
            line.getOut().println(json(error, code));
            line.getOut().flush();
        }
        return code;
    }

    private static String json(Throwable error, int code) {
        var text = new StringWriter();
        try (JsonGenerator json = new JsonFactory().createGenerator(text)) {
            json.writeStartObject();
            json.writeObjectFieldStart("error");
            json.writeNumberField("code", code);
            json.writeStringField("kind", ExitCodes.kind(code));
            json.writeStringField("message", ExitCodes.message(error));
            if (error instanceof FormatException format) {
                if (format.rule().isPresent()) {
                    json.writeStringField("rule", format.rule().get().code());
                }
                FileSpot spot = format.spot();
                json.writeStringField("file", spot.file());
                if (spot.tensor() != null) {
                    json.writeStringField("tensor", spot.tensor());
                }
                if (spot.offset() >= 0) {
                    json.writeNumberField("offset", spot.offset());
                }
            }
            json.writeStringField("hint", ExitCodes.help(error));
            json.writeEndObject();
            json.writeEndObject();
        } catch (IOException e) {
            throw new UncheckedIOException(e); // a StringWriter does not fail
        }
        return text.toString();
    }
}
