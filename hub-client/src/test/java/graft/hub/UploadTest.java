package graft.hub;

import static org.assertj.core.api.Assertions.assertThat;

import graft.hub.testing.FakeHub;
import graft.hub.testing.Fault;

import org.junit.jupiter.api.Test;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/** Uploads to a Hub on loopback: what is sent, and how often. */
class UploadTest extends TinyHub {
    @Test
    void uploadSendsWhatChanged() throws IOException {
        Path source = Files.createDirectories(folder.resolve("up"));
        Files.write(source.resolve("model.safetensors"), bytes(300_000, 1));
        Files.write(source.resolve("README.md"), "# card".getBytes(StandardCharsets.UTF_8));
        RepoRef target = RepoRef.parse("acme/new").orElseThrow();
        try (var client = client(options())) {
            Uploaded first = client.upload(upload(target, source));
            assertThat(first.files()).isEqualTo(2);
            assertThat(hub.repo("acme/new").head("main")).contains(first.commit());
            assertThat(hub.repo("acme/new").read("main", "model.safetensors"))
                    .isEqualTo(bytes(300_000, 1));
            assertThat(hub.repo("acme/new").isPrivate()).isTrue();

            Files.write(source.resolve("README.md"), "# better".getBytes(StandardCharsets.UTF_8));
            Uploaded second = client.upload(upload(target, source));
            assertThat(second.files()).isOne();
            assertThat(second.unchanged()).isOne();
            assertThat(second.bytesSent()).isEqualTo(8);

            Uploaded third = client.upload(upload(target, source));
            assertThat(third.files()).isZero();
            assertThat(third.commit()).isEqualTo(second.commit());
        }
    }

    private static UploadRequest upload(RepoRef target, Path source) {
        return new UploadRequest(
                target, source, FileFilter.ALL, "Upload", "", false, true, Optional.empty());
    }

    @Test
    void largeUploadGoesInPartsAndSurvivesAFailure() throws IOException {
        hub.close();
        hub =
                FakeHub.start(
                        folder.resolve("hub2"),
                        new FakeHub.Options().multipart(1_000_000, 400_000));
        hub.create("acme/tiny");
        hub.inject(Fault.status(500).times(2).method("PUT"));
        Path source = folder.resolve("big.safetensors");
        Files.write(source, WEIGHTS);
        try (var client = client(options())) {
            client.upload(upload(TINY, source));
        }
        assertThat(hub.repo("acme/tiny").read("main", "big.safetensors")).isEqualTo(WEIGHTS);
        assertThat(events.stream().mapToLong(UploadTest::moved).sum()).isEqualTo(WEIGHTS.length);
    }

    private static long moved(HubEvent event) {
        return switch (event) {
            case HubEvent.Moved(String _, long bytes) -> bytes;
            case HubEvent.Restarted(String _, long bytes, String _) -> -bytes;
            default -> 0;
        };
    }

    @Test
    void lostAnswerToACommitDoesNotCommitTwice() throws IOException {
        hub.inject(Fault.hangUp().times(1).target("/commit/"));
        Path source = folder.resolve("notes.md");
        Files.writeString(source, "notes");
        try (var client = client(options())) {
            client.upload(upload(TINY, source));
        }
        assertThat(repo.log("main")).hasSize(3).startsWith("Upload");
    }

    @Test
    void manyFilesAreAskedForInOneBatchAndEqualOnesSentOnce() throws IOException {
        Path source = Files.createDirectories(folder.resolve("many"));
        for (int i = 0; i < 30; i++) {
            Files.write(source.resolve(i + ".safetensors"), bytes(1000, i / 2));
        }
        hub.forgetServed();
        try (var client = client(options())) {
            Uploaded done = client.upload(upload(RepoRef.parse("acme/many").orElseThrow(), source));
            assertThat(done.files()).isEqualTo(30);
            assertThat(done.bytesSent()).isEqualTo(15_000);
        }
        assertThat(hub.served())
                .filteredOn(s -> s.call().target().contains("/objects/batch"))
                .hasSize(1);
        assertThat(hub.repo("acme/many").read("main", "29.safetensors")).isEqualTo(bytes(1000, 14));
    }
}
