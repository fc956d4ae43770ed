package graft.hub.testing;

/**
 * One request and what was made of it.
 *
 * @param status 0 where a fault closed the connection before any answer
 * @param bodyBytes bytes of body handed to the connection
 */
public record Served(Call call, int status, long bodyBytes) {}
