/**
 * Hub clients that we did not write, run as processes against {@link graft.hub.testing.FakeHub}:
 * they prove the fake, and share caches and repositories with Graft.
 */
@NullMarked
package graft.hub.interop;

import org.jspecify.annotations.NullMarked;
