package graft.hub.testing;

import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.regex.Pattern;

/** What git holds in place of a large file (git-lfs specification, "The Pointer"). */
record LfsPointer(String sha256, long size) {
    private static final Pattern FORM =
            Pattern.compile(
                    "version https://git-lfs.github.com/spec/v1\noid sha256:([0-9a-f]{64})\nsize ([0-9]+)\n");

    static Optional<LfsPointer> parse(byte[] blob) {
        if (blob.length > 200) {
            return Optional.empty();
        }
        var form = FORM.matcher(new String(blob, StandardCharsets.UTF_8));
        return form.matches()
                ? Optional.of(new LfsPointer(form.group(1), Long.parseLong(form.group(2))))
                : Optional.empty();
    }

    byte[] toBytes() {
        return "version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n"
                .formatted(sha256, size)
                .getBytes(StandardCharsets.UTF_8);
    }
}
