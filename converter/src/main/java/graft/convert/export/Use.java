package graft.convert.export;

/**
 * A place where a node reads a value.
 *
 * @param node index of the node in the graph
 * @param input which of its inputs
 */
public record Use(int node, int input) {}
