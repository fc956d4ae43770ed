package graft.convert.lowrank;

/**
 * Which elements of a matrix: {@code rows} of them from {@code row} on, and of each {@code columns}
 * from {@code column} on.
 */
public record Block(int row, int rows, int column, int columns) {}
