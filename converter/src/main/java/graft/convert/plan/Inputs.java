package graft.convert.plan;

import graft.convert.ConversionException;
import graft.convert.ledger.Ledger;
import graft.formats.io.Sha256;
import graft.formats.io.StagedOutput;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** What every use case does with the files it reads and the folder it writes. */
public final class Inputs {
    private Inputs() {}

    /** Ledger entries of input files, hashed. */
    public static List<Ledger.Input> of(String role, String source, List<Path> files)
            throws IOException {
        List<Ledger.Input> inputs = new ArrayList<>();
        for (Path file : files) {
            inputs.add(
                    new Ledger.Input(
                            role,
                            source,
                            file.getFileName().toString(),
                            Files.size(file),
                            Sha256.of(file)));
        }
        return inputs;
    }

    /**
     * A folder to fill.
     *
     * @throws ConversionException.OutputExists if it is there and may not be replaced
     */
    public static StagedOutput stage(Path output, boolean force) throws IOException {
        try {
            return StagedOutput.folder(output, force);
        } catch (FileAlreadyExistsException e) {
            throw new ConversionException.OutputExists(output.toString());
        }
    }
}
