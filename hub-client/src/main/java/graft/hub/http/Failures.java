package graft.hub.http;

import com.fasterxml.jackson.databind.JsonNode;

import graft.hub.HubException;

import java.io.IOException;
import java.util.Optional;

/**
 * What an answer other than success means, by the Hub's {@code X-Error-Code} first and its status
 * second; the order is that of huggingface_hub's {@code hf_raise_for_status}.
 */
public final class Failures {
    private static final String CHECK_NAME =
            "check the name; if the repository is private, set HF_TOKEN to a token that may read it";

    private Failures() {}

    /** The exception for {@code answer}, which is closed. */
    public static HubException of(Answer answer) {
        try (answer) {
            return map(answer, message(answer));
        }
    }

    private static HubException map(Answer answer, String message) {
        String what = answer.ask().what();
        String code = answer.header("X-Error-Code").orElse("");
        int status = answer.status();
        String said = message.isEmpty() ? "" : ": " + message;
        String trace = said + requestId(answer);
        switch (code) {
            case "RevisionNotFound" -> {
                return new HubException.NotFound(
                        what + ": no such revision" + trace, "check the branch, tag or commit");
            }
            case "EntryNotFound" -> {
                return new HubException.NotFound(
                        what + ": no such file in this revision" + trace,
                        "list the files with `graft download REF --dry-run`");
            }
            case "GatedRepo" -> {
                return gated(answer, trace);
            }
            default -> {}
        }
        if (message.equals("Access to this resource is disabled.")) {
            return new HubException.NotAllowed(
                    what + ": access is disabled by the Hub" + trace,
                    "the page of the repository says why");
        }
        boolean badToken = message.equals("Invalid credentials in Authorization header");
        if (code.equals("RepoNotFound") || (status == 401 && !badToken)) {
            return new HubException.NotFound(
                    what + ": missing, or private" + requestId(answer), CHECK_NAME);
        }
        return switch (status) {
            case 401 ->
                    new HubException.NotAllowed(
                            what + ": the token is not valid" + requestId(answer),
                            "make a new one at https://huggingface.co/settings/tokens");
            case 403 ->
                    new HubException.NotAllowed(
                            what + ": not allowed" + trace,
                            "the token needs the scope for this; see"
                                    + " https://huggingface.co/settings/tokens");
            case 404, 410 -> new HubException.NotFound(what + ": not found" + trace, CHECK_NAME);
            case 400, 409, 412, 413, 422 ->
                    new HubException.Conflict(
                            "%s: the Hub refuses it (HTTP %d)%s".formatted(what, status, trace),
                            "see what the Hub says; if the branch moved, run it again");
            case 429 ->
                    new HubException.Unreachable(
                            what + ": too many requests" + trace,
                            "wait some minutes; a token (HF_TOKEN) has a higher limit");
            default ->
                    new HubException.Unreachable(
                            "%s: the server answers HTTP %d%s".formatted(what, status, trace),
                            "run it again later: what was fetched is kept");
        };
    }

    private static HubException gated(Answer answer, String trace) {
        String page = answer.ask().url().newBuilder().query(null).build().toString();
        String repo =
                page.replaceFirst("/api/models/", "/")
                        .replaceFirst("/(resolve|revision|tree|preupload|commit)/.*$", "");
        return new HubException.NotAllowed(
                answer.ask().what() + ": the repository is gated" + trace,
                "ask for access at %s, then set HF_TOKEN".formatted(repo));
    }

    private static String message(Answer answer) {
        Optional<String> header = answer.header("X-Error-Message");
        return answer.clean(header.orElseGet(() -> fromBody(answer)));
    }

    /** {@code {"error": "..."}} or {@code {"errors": [{"message": "..."}]}}. */
    private static String fromBody(Answer answer) {
        String type = answer.header("Content-Type").orElse("");
        if (!type.contains("json") || answer.ask().method().equals("HEAD")) {
            return "";
        }
        try {
            JsonNode body = Json.parse(answer);
            JsonNode error = body.path("error");
            return error.isTextual()
                    ? error.asText()
                    : body.path("errors").path(0).path("message").asText("");
        } catch (IOException e) {
            return ""; // the status has to do
        }
    }

    private static String requestId(Answer answer) {
        return answer.header("X-Request-Id")
                .or(() -> answer.header("X-Amzn-Trace-Id"))
                .or(() -> answer.header("X-Amz-Cf-Id"))
                .map(id -> " (request " + answer.clean(id) + ")")
                .orElse("");
    }
}
