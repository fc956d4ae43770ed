package graft.formats.pickle;

import graft.formats.FormatException;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;

/**
 * A checkpoint taken apart.
 *
 * @param root what the pickle builds
 * @param storages finds a storage's bytes
 * @param order byte order of the storages
 * @param bytesRead everything but tensor data
 */
record Contents(Object root, Storages storages, ByteOrder order, long bytesRead) {
    /** Finds bytes; checks that there are as many as the storage declares. */
    @FunctionalInterface
    interface Storages {
        MemorySegment bytes(Value.Storage storage) throws FormatException;
    }
}
