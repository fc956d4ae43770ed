package graft.hub;

import static graft.hub.testing.Call.Origin.CDN;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import graft.hub.testing.FakeHub;
import graft.hub.testing.FakeRepo;
import graft.hub.testing.Fault;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Every fault on the way up: one whole commit, or none; the table of {@code docs/hub-faults.md}.
 */
class UploadFaultsTest {
    private static final ReportTable TABLE =
            new ReportTable("fault", "what happens", "commits made");

    private static final Map<String, byte[]> FILES =
            new TreeMap<>(
                    Map.of(
                            "parts.safetensors", HubSite.bytes(450_000),
                            "single.safetensors", HubSite.bytes(90_000),
                            "config.json", HubSite.text(2_000)));

    /** One row: the fault, and the error that ends the upload, if one does. */
    record Case(int place, String name, Optional<Class<? extends Exception>> error, Fault fault) {
        @Override
        public String toString() {
            return name;
        }
    }

    private static Case done(String name, Fault fault) {
        return new Case(0, name, Optional.empty(), fault);
    }

    private static Case fails(Class<? extends Exception> error, String name, Fault fault) {
        return new Case(0, name, Optional.of(error), fault);
    }

    static Stream<Case> cases() {
        List<Case> cases =
                List.of(
                        done(
                                "503 to the question which files are large",
                                Fault.status(503).target("/preupload/").times(2)),
                        done(
                                "429 with `Retry-After: 2` to the LFS batch",
                                Fault.tooManyRequests(2).target("/batch").times(1)),
                        done("500 to three PUTs", Fault.status(500).on(CDN).method("PUT").times(3)),
                        done(
                                "three PUTs are hung up on",
                                Fault.hangUp().on(CDN).method("PUT").times(3)),
                        done(
                                "503 to the end of the parts",
                                Fault.status(503).target("/complete/").times(2)),
                        done(
                                "the answer to the end of the parts is lost",
                                Fault.hangUp().target("/complete/").times(1)),
                        done("503 to verification", Fault.status(503).target("/verify").times(2)),
                        done(
                                "the commit is made, its answer is lost",
                                Fault.hangUp().target("/commit/").times(1)),
                        fails(
                                HubException.Unreachable.class,
                                "every PUT is answered 503",
                                Fault.status(503).on(CDN).method("PUT")),
                        fails(
                                HubException.NotAllowed.class,
                                "every PUT is answered 403",
                                Fault.status(403).on(CDN).method("PUT")),
                        fails(
                                HubException.Unreachable.class,
                                "verification is answered 503 for ever",
                                Fault.status(503).target("/verify")),
                        done(
                                "the commit is answered 503, and not made, twice",
                                Fault.status(503).target("/commit/").times(2)),
                        fails(
                                HubException.Corrupted.class,
                                "the batch offers as many parts as it likes",
                                Fault.rewrite(
                                                "parts",
                                                text ->
                                                        text.replaceAll(
                                                                "\"chunk_size\":\"[0-9]+\"",
                                                                "\"chunk_size\":\"1000\""))
                                        .target("/batch")));
        TABLE.expect(cases.size());
        return IntStream.range(0, cases.size())
                .mapToObj(i ->
                        new Case(i, cases.get(i).name, cases.get(i).error, cases.get(i).fault));
    }

    @TempDir Path folder;

    @ParameterizedTest
    @MethodSource("cases")
    void anUploadIsOneCommitOrNone(Case row) throws IOException {
        var options = new FakeHub.Options().multipart(100_000, 200_000);
        try (var site = new HubSite(folder, options)) {
            FakeRepo repo = site.hub.create("acme/tiny");
            Path local = Files.createDirectories(folder.resolve("hub/local"));
            for (var file : FILES.entrySet()) {
                Files.write(local.resolve(file.getKey()), file.getValue());
            }
            int before = repo.log("main").size();
            site.hub.inject(row.fault);

            Throwable thrown = catchThrowable(() -> upload(site, local));

            int made = repo.log("main").size() - before;
            if (row.error.isEmpty()) {
                assertThat(thrown).isNull();
                assertThat(made).isOne();
            } else {
                assertThat(thrown).isExactlyInstanceOf(row.error.get());
                assertThat(made).isZero();
            }
            assertThat(row.fault.struck()).isPositive();
            TABLE.add(
                    row.place,
                    row.name,
                    row.error.map(e -> "`%s`".formatted(e.getSimpleName())).orElse("done"),
                    Integer.toString(made));

            // Without the fault it is complete, and was or is committed once.
            site.hub.heal();
            upload(site, local);
            assertThat(repo.log("main")).hasSize(before + 1);
            for (var file : FILES.entrySet()) {
                assertThat(repo.read("main", file.getKey())).isEqualTo(file.getValue());
            }
        }
    }

    @Test
    void aBranchThatMovedMeanwhileIsNotOverwritten() throws IOException {
        try (var site = new HubSite(folder)) {
            FakeRepo repo = site.hub.create("acme/tiny");
            Path local = Files.createDirectories(folder.resolve("hub/local"));
            Files.write(local.resolve("config.json"), HubSite.text(2_000));
            site.hub.inject(
                    Fault.rewrite("somebody commits", text -> commit(repo, text))
                            .target("/preupload/")
                            .times(1));

            assertThat(catchThrowable(() -> upload(site, local)))
                    .isInstanceOf(HubException.Conflict.class);
            assertThat(repo.log("main")).first().isEqualTo("meanwhile");
        }
    }

    private static String commit(FakeRepo repo, String text) {
        try {
            repo.commit("meanwhile", Map.of("config.json", HubSite.text(1_000)));
            return text;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void upload(HubSite site, Path local) throws IOException {
        try (HubClient client = site.client()) {
            client.upload(
                    new UploadRequest(
                            RepoRef.parse("acme/tiny").orElseThrow(),
                            local,
                            FileFilter.ALL,
                            "add",
                            "",
                            false,
                            false,
                            Optional.empty()));
        }
    }

    @AfterAll
    static void report() throws IOException {
        TABLE.publish("hub-upload-faults.md");
    }
}
