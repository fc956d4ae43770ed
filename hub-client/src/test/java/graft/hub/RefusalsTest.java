package graft.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import graft.hub.testing.FakeHub;
import graft.hub.testing.Fault;
import graft.hub.testing.Served;

import org.junit.jupiter.api.Test;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Tokens, and what is said of what is missing or not allowed. */
class RefusalsTest extends TinyHub {
    @Test
    void tokenStaysAtTheEndpoint() throws IOException {
        repo.setPrivate(true);
        try (var client = client(options())) {
            client.download(DownloadRequest.of(client.snapshot(TINY), FileFilter.ALL));
        }
        // FakeHub's CDN answers 400 to anything with an Authorization header.
        assertThat(hub.served()).extracting(Served::status).doesNotContain(400);
    }

    @Test
    void noMessageHoldsTheToken() throws IOException {
        List<String> texts = new ArrayList<>();
        hub.inject(Fault.status(403));
        hub.inject(Fault.header("X-Error-Message", "you sent " + FakeHub.WRITER));
        try (var client = client(options())) {
            assertThatThrownBy(() -> client.snapshot(TINY))
                    .satisfies(e -> texts.add(e.getMessage() + ((HubException) e).help()));
        }
        assertThat(texts)
                .singleElement()
                .asString()
                .contains("you sent ***")
                .doesNotContain(FakeHub.WRITER);
        assertThat(options().toString()).doesNotContain(FakeHub.WRITER);
    }

    @Test
    void whatIsMissingOrForbiddenIsSaid() throws IOException {
        var reader = options().withToken(Optional.of(Token.of(FakeHub.READER)));
        hub.create("acme/gated").setGated(true).commit("add", Map.of("config.json", CONFIG));
        try (var client = client(reader)) {
            assertThatThrownBy(() -> client.snapshot(RepoRef.parse("acme/none").orElseThrow()))
                    .isInstanceOf(HubException.NotFound.class)
                    .hasMessageContaining("acme/none@main: missing, or private");
            assertThatThrownBy(() -> client.snapshot(TINY.at("v9")))
                    .isInstanceOf(HubException.NotFound.class)
                    .hasMessageContaining("no such revision");
            Snapshot gated = client.snapshot(RepoRef.parse("acme/gated").orElseThrow());
            assertThatThrownBy(() -> client.download(DownloadRequest.of(gated, FileFilter.ALL)))
                    .isInstanceOf(HubException.NotAllowed.class)
                    .extracting(e -> ((HubException) e).help())
                    .asString()
                    .contains(hub.endpoint() + "/acme/gated,");
            Snapshot tiny = client.snapshot(TINY);
            assertThatThrownBy(() ->
                            client.plan(
                                    DownloadRequest.of(
                                            tiny,
                                            FileFilter.names(List.of("config.json", "nope")))))
                    .isInstanceOf(HubException.NotFound.class)
                    .hasMessageContaining("no file matches 'nope'");
        }
    }
}
