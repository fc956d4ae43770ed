package graft.convert.cli;

import graft.convert.ConversionException;
import graft.formats.FormatException;
import graft.hub.HubException;
import graft.hub.NoSpaceException;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;

/** The one place where errors meet exit codes; the numbers follow BSD's sysexits. */
final class ExitCodes {
    static final int DONE = 0;
    static final int CHECK_FAILED = 1;
    static final int USAGE = 2;
    static final int MALFORMED_INPUT = 65;
    static final int INPUT_NOT_FOUND = 66;
    static final int NO_RUNTIME = 69;
    static final int OUR_BUG = 70;
    static final int CANNOT_WRITE = 73;
    static final int IO_FAILED = 74;
    static final int NOT_ALLOWED = 77;
    static final int INTERRUPTED = 130;

    /** The table behind {@code graft help exit-codes}. */
    static final String HELP =
            """
              0  done
              1  a check failed: verification, tolerance
              2  usage: an option or a combination of options
             65  malformed or unsuitable input
             66  input not found
             69  no suitable Java runtime or native library, or too little memory
             70  a bug of ours; please report it with --verbose
             73  cannot write the output, or it already exists
             74  reading, writing or the network failed
             77  not allowed: a gated repository, a missing or weak token
            130  interrupted
            """;

    private ExitCodes() {}

    static int of(Throwable error) {
        return switch (error) {
            case UsageException _ -> USAGE;
            case FormatException _ -> MALFORMED_INPUT;
            case ConversionException e ->
                    switch (e) { // no default: a new kind must be given a code here
                        case ConversionException.CheckFailed _ -> CHECK_FAILED;
                        case ConversionException.BaseMismatch _,
                                ConversionException.UnusableValues _,
                                ConversionException.TooLarge _,
                                ConversionException.NothingMatched _ ->
                                MALFORMED_INPUT;
                        case ConversionException.OutputExists _ -> CANNOT_WRITE;
                    };
            case HubException e ->
                    switch (e) { // no default, likewise
                        case HubException.NotFound _ -> INPUT_NOT_FOUND;
                        case HubException.NotAllowed _ -> NOT_ALLOWED;
                        case HubException.Conflict _ -> CANNOT_WRITE;
                        case HubException.Unreachable _, HubException.Corrupted _ -> IO_FAILED;
                    };
            case NoSpaceException _, FileAlreadyExistsException _ -> CANNOT_WRITE;
            case NoSuchFileException _, FileNotFoundException _ -> INPUT_NOT_FOUND;
            case AccessDeniedException _ -> CANNOT_WRITE;
            case InterruptedIOException _ -> INTERRUPTED;
            case IOException _ -> IO_FAILED;
            case InternalError _ -> IO_FAILED; // how the JVM reports a mapped page that is gone
            case LinkageError _, OutOfMemoryError _ -> NO_RUNTIME;
            default -> OUR_BUG;
        };
    }

    /** A word for programs that read the JSON form of an error. */
    static String kind(int code) {
        return switch (code) {
            case CHECK_FAILED -> "check";
            case USAGE -> "usage";
            case MALFORMED_INPUT -> "input";
            case INPUT_NOT_FOUND -> "not-found";
            case NO_RUNTIME -> "runtime";
            case CANNOT_WRITE -> "output";
            case IO_FAILED -> "io";
            case NOT_ALLOWED -> "not-allowed";
            case INTERRUPTED -> "interrupted";
            default -> "bug";
        };
    }

    /** What was wrong, in the user's words: Java's file exceptions say only the path. */
    static String message(Throwable error) {
        return switch (error) {
            case FileAlreadyExistsException e -> e.getFile() + ": already exists";
            case NoSuchFileException e ->
                    e.getFile() + ": " + (e.getReason() == null ? "no such file" : e.getReason());
            case AccessDeniedException e -> e.getFile() + ": permission denied";
            case FileSystemException e ->
                    e.getFile() + ": " + (e.getReason() == null ? "failed" : e.getReason());
            case InternalError _ -> "a file was cut short while it was read, or its disk failed";
            default ->
                    error.getMessage() == null || of(error) == OUR_BUG
                            ? error.toString()
                            : error.getMessage();
        };
    }

    /** What to do, one sentence. */
    static String help(Throwable error) {
        return switch (error) {
            case UsageException e -> e.help();
            case FormatException e -> e.help();
            case ConversionException e -> e.help();
            case HubException e -> e.help();
            case NoSpaceException _ -> "make room, or choose another disk with --cache-dir";
            case FileAlreadyExistsException _ -> "choose another name, or replace it with --force";
            case NoSuchFileException _, FileNotFoundException _ -> "check the path";
            case AccessDeniedException _ -> "check the permissions of the file and its folder";
            case InterruptedIOException _ -> "nothing was left under the final name; run it again";
            case IOException _ -> "check the disk (space, health) and run it again";
            case InternalError _ -> "leave the inputs alone and run it again";
            case OutOfMemoryError _ ->
                    "give the heap more room, for example GRAFT_JAVA_OPTS=-Xmx2g";
            case LinkageError _ -> "try --kernel ejml, which needs no native library";
            default -> "this is a bug; please report it with what --verbose prints";
        };
    }
}
