/**
 * A small Hugging Face Hub on the loopback interface, for tests of Hub clients in any language.
 *
 * <p><b>What it is.</b> {@link graft.hub.testing.FakeHub} serves bare git repositories (real object
 * ids, readable by {@code git}) and a content-addressed LFS folder over the HTTP API that
 * huggingface_hub, {@code @huggingface/hub} and Graft use: information, tree, paths, {@code
 * resolve}, preupload, LFS batch (basic and multipart), commit, pull requests. Large files are
 * redirected to a second origin, the "CDN", by signed URLs that expire. {@link
 * graft.hub.testing.Fault}s break any answer of either origin on purpose.
 *
 * <p><b>What it is not.</b> No Xet, no web pages, no datasets or spaces, no search; {@code
 * .gitignore} is not evaluated. It has never been compared with the real Hub; tests drive it with
 * the two official clients instead.
 *
 * <p><b>Depends on</b> the JDK and Jackson alone. The JDK's own HTTP server is enough (HTTP/1.1,
 * TLS) and lets a handler lie about lengths and cut a body, which the faults need; git's loose
 * objects are a hundred lines, less than a library would cost users of the test artefact, and need
 * no {@code git} on the machine.
 */
@NullMarked
package graft.hub.testing;

import org.jspecify.annotations.NullMarked;
