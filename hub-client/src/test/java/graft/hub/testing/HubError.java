package graft.hub.testing;

import org.jspecify.annotations.Nullable;

/** An error in the Hub's form: status, {@code X-Error-Code}, {@code X-Error-Message}, JSON body. */
final class HubError extends Exception {
    private static final long serialVersionUID = 1;

    private final int status;
    private final String code;
    private final String message;
    private @Nullable String commit;
    private @Nullable String location;

    HubError(int status, String code, String message) {
        super(message);
        this.status = status;
        this.code = code;
        this.message = message;
    }

    static HubError badRequest(String message) {
        return new HubError(400, "", message);
    }

    static HubError notFound() {
        return new HubError(404, "", "Sorry, we can't find the page you are looking for.");
    }

    /** No such file; the commit is said, so that clients may remember it. */
    static HubError noEntry(String commit) {
        var error = new HubError(404, "EntryNotFound", "Entry not found");
        error.commit = commit;
        return error;
    }

    /** Not an error to most clients, but it ends a route as one does. */
    static HubError moved(String location) {
        var error = new HubError(307, "", "Temporary Redirect. Redirecting to " + location);
        error.location = location;
        return error;
    }

    Response response() {
        if (location != null) {
            return Response.text(status, message).header("Location", location);
        }
        var body = Request.JSON.createObjectNode().put("error", message);
        Response response = Response.json(body).status(status).header("X-Error-Message", message);
        if (commit != null) {
            response = response.header("X-Repo-Commit", commit);
        }
        return code.isEmpty() ? response : response.header("X-Error-Code", code);
    }
}
