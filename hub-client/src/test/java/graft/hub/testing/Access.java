package graft.hub.testing;

import org.jspecify.annotations.Nullable;

/** Who asks, and what they may do. */
record Access(boolean known, boolean writes) {
    static Access of(Request request) throws HubError {
        @Nullable String header = request.header("Authorization");
        if (header == null) {
            return new Access(false, false);
        }
        return switch (header) {
            case "Bearer " + FakeHub.WRITER -> new Access(true, true);
            case "Bearer " + FakeHub.READER -> new Access(true, false);
            default -> throw new HubError(401, "", "Invalid credentials in Authorization header");
        };
    }

    /** A private repository does not exist for others; to strangers, neither does a missing one. */
    void mustSee(boolean exists, boolean hidden) throws HubError {
        if (exists && (!hidden || writes)) {
            return;
        }
        throw known
                ? new HubError(404, "RepoNotFound", "Repository not found")
                : new HubError(401, "RepoNotFound", "Invalid username or password.");
    }

    void mustDownload(FakeRepo repo) throws HubError {
        if (repo.isGated() && !writes) {
            String rule = "Access to model %s is restricted".formatted(repo.id());
            throw known
                    ? new HubError(
                            403, "GatedRepo", rule + " and you are not in the authorized list.")
                    : new HubError(
                            401, "GatedRepo", rule + ". You must be authenticated to access it.");
        }
    }

    void mustWrite() throws HubError {
        if (!known) {
            throw new HubError(401, "", "Invalid username or password.");
        }
        if (!writes) {
            throw new HubError(
                    403, "", "You don't have the rights to create a model under this namespace");
        }
    }
}
