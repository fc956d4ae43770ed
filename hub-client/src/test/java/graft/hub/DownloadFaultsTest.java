package graft.hub;

import static graft.hub.testing.Call.Origin.CDN;
import static graft.hub.testing.Call.Origin.HUB;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import graft.hub.testing.Fault;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Every fault of the wire, and what a download makes of it; the table of {@code
 * docs/hub-faults.md}.
 */
class DownloadFaultsTest {
    private static final ReportTable TABLE =
            new ReportTable("fault", "what happens", "bytes verified", "left under a final name");

    private static final String LARGE = "model.safetensors";
    private static final String SMALL = "config.json";
    private static final Map<String, byte[]> FILES =
            new TreeMap<>(Map.of(LARGE, HubSite.bytes(950_000), SMALL, HubSite.text(2_000)));

    /** One row: the faults, and the error that ends the download, if one does. */
    record Case(int place, String name, Class<? extends Exception> error, List<Fault> faults) {
        @Override
        public String toString() {
            return name;
        }
    }

    private static final class None extends Exception {
        private static final long serialVersionUID = 1;
    }

    private static Case done(String name, Fault... faults) {
        return new Case(0, name, None.class, List.of(faults));
    }

    private static Case fails(Class<? extends Exception> error, String name, Fault... faults) {
        return new Case(0, name, error, List.of(faults));
    }

    static Stream<Case> cases() {
        List<Case> cases =
                List.of(
                        done(
                                "the CDN cuts three bodies after 30 kB",
                                Fault.cutBody(30_000).on(CDN).times(3)),
                        done(
                                "the CDN hangs up three times without an answer",
                                Fault.hangUp().on(CDN).times(3)),
                        done(
                                "the Hub hangs up four times without an answer",
                                Fault.hangUp().on(HUB).times(4)),
                        done(
                                "500, 502, 503, 504 from both origins, once each",
                                Fault.status(500).times(1),
                                Fault.status(502).on(HUB).times(1),
                                Fault.status(503).on(CDN).times(1),
                                Fault.status(504).on(CDN).times(1)),
                        done(
                                "429 with `Retry-After: 3`",
                                Fault.tooManyRequests(3).target(LARGE).times(1)),
                        done(
                                "429 with `RateLimit: …;r=0;t=40`",
                                Fault.rateLimit(40).on(HUB).times(1)),
                        done("a signed URL has expired", Fault.status(403).on(CDN).times(2)),
                        done("the CDN ignores `Range`", Fault.ignoreRange().on(CDN)),
                        done(
                                "the CDN ignores `Range` and cuts two bodies in the middle",
                                Fault.ignoreRange().on(CDN),
                                Fault.cutBody(500_000).on(CDN).times(2)),
                        done(
                                "two answers are silent for longer than the timeout",
                                Fault.stall(1_500).on(CDN).times(2)),
                        done("slow drip of 400 kB/s", Fault.drip(400_000).on(CDN)),
                        done(
                                "two answers to ranges are 1 kB too short",
                                Fault.shorten(1_000).on(CDN).times(2)),
                        done(
                                "two answers to ranges are 1 kB too long",
                                Fault.lengthen(1_000).on(CDN).times(2)),
                        fails(
                                HubException.Corrupted.class,
                                "one bit of the large file is flipped",
                                Fault.flipBit(123_456).on(CDN)),
                        fails(
                                HubException.Corrupted.class,
                                "one bit of the small file is flipped",
                                Fault.flipBit(1_234).on(HUB).target("resolve-cache")),
                        fails(
                                HubException.Corrupted.class,
                                "the small file lacks its last 100 bytes",
                                Fault.shorten(100).on(HUB).target("resolve-cache")),
                        fails(
                                HubException.Corrupted.class,
                                "the small file is 100 bytes too long",
                                Fault.lengthen(100).on(HUB).target("resolve-cache")),
                        fails(
                                HubException.Corrupted.class,
                                "every range answer says another range",
                                Fault.header("Content-Range", "bytes 7-99/950000").on(CDN)),
                        fails(
                                HubException.Corrupted.class,
                                "`X-Linked-Size` differs from the listing",
                                Fault.header("X-Linked-Size", "950001")
                                        .on(HUB)
                                        .target("resolve/")
                                        .target(LARGE)),
                        fails(
                                HubException.Corrupted.class,
                                "`X-Linked-ETag` differs from the listing",
                                Fault.header("X-Linked-ETag", '"' + "0".repeat(64) + '"')
                                        .on(HUB)
                                        .target("resolve/")
                                        .target(LARGE)),
                        fails(
                                HubException.Corrupted.class,
                                "`X-Repo-Commit` is another commit",
                                Fault.header("X-Repo-Commit", "0".repeat(40))
                                        .on(HUB)
                                        .target("resolve/")
                                        .target(LARGE)),
                        fails(
                                HubException.Unreachable.class,
                                "the CDN answers 503 for ever",
                                Fault.status(503).on(CDN)),
                        fails(
                                HubException.Unreachable.class,
                                "the CDN cuts every body before its first byte",
                                Fault.cutBody(0).on(CDN)),
                        fails(
                                HubException.Unreachable.class,
                                "the CDN ignores `Range` and cuts every body in the middle",
                                Fault.ignoreRange().on(CDN),
                                Fault.cutBody(500_000).on(CDN)),
                        fails(
                                HubException.NotAllowed.class,
                                "fresh signed URLs are refused for ever",
                                Fault.status(403).on(CDN)),
                        fails(
                                HubException.Unreachable.class,
                                "429 for ever",
                                Fault.tooManyRequests(1).on(HUB).target("resolve/")),
                        fails(
                                HubException.Unreachable.class,
                                "429 with a wait beyond the deadline",
                                Fault.tooManyRequests(90_000).on(HUB).target("resolve/")));
        TABLE.expect(cases.size());
        return IntStream.range(0, cases.size())
                .mapToObj(i ->
                        new Case(i, cases.get(i).name, cases.get(i).error, cases.get(i).faults));
    }

    @TempDir Path folder;

    @ParameterizedTest
    @MethodSource("cases")
    void aDownloadEndsWholeOrNotAtAll(Case fault) throws IOException {
        try (var site = new HubSite(folder)) {
            site.hub.create("acme/tiny").commit("add", FILES);
            fault.faults.forEach(site.hub::inject);

            Throwable thrown = catchThrowable(() -> download(site));

            boolean done = fault.error == None.class;
            String victim = fault.name.contains("small file") ? SMALL : LARGE;
            wholeFiles(site);
            if (done) {
                assertThat(thrown).isNull();
                assertThat(wholeFiles(site)).isEqualTo(FILES.size());
            } else {
                assertThat(thrown).isExactlyInstanceOf(fault.error);
                assertThat(site.finalNames().keySet()).noneMatch(name -> name.endsWith(victim));
                assertThat(site.finalNames().values())
                        .doesNotContain(HubSite.sha256(FILES.getOrDefault(victim, new byte[0])));
            }
            assertThat(fault.faults).allSatisfy(f -> assertThat(f.struck()).isPositive());
            site.assertNoStrays();
            TABLE.add(
                    fault.place,
                    fault.name,
                    done ? "done" : "`%s`".formatted(fault.error.getSimpleName()),
                    done ? "952 000 of 952 000" : "0",
                    done ? "both files, whole" : "nothing of that file");

            // Whatever happened, the next run without the fault has it all.
            site.hub.heal();
            download(site);
            assertThat(wholeFiles(site)).isEqualTo(FILES.size());
            assertThat(site.cached().keySet()).noneMatch(name -> name.endsWith(".incomplete"));
        }
    }

    private static Path download(HubSite site) throws IOException {
        try (HubClient client = site.client()) {
            Snapshot snapshot = client.snapshot(RepoRef.parse("acme/tiny").orElseThrow());
            var wanted = FileFilter.names(List.copyOf(FILES.keySet()));
            return client.download(DownloadRequest.of(snapshot, wanted));
        }
    }

    /** Files of the snapshot; each, and each blob, must be whole. */
    private static int wholeFiles(HubSite site) throws IOException {
        int files = 0;
        for (var found : site.finalNames().entrySet()) {
            assertThat(FILES.values().stream().map(HubSite::sha256))
                    .as(found.getKey())
                    .contains(found.getValue());
            files += found.getKey().contains("/snapshots/") ? 1 : 0;
        }
        return files;
    }

    @AfterAll
    static void report() throws IOException {
        TABLE.publish("hub-faults.md");
    }
}
