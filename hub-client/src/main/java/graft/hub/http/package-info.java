/**
 * The wire: requests with their redirects, retries, deadlines, rate limits and errors.
 *
 * <p>OkHttp is used for single requests alone. It follows no redirect, adds no header of its own
 * and never sees the token unless the request goes to the endpoint's own origin.
 */
@NullMarked
package graft.hub.http;

import org.jspecify.annotations.NullMarked;
