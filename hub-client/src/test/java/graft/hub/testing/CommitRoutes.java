package graft.hub.testing;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Optional;

/** What changes a repository: creation, preupload, commits, labels. */
final class CommitRoutes {
    private static final int MOST_FILES = 256;

    private final FakeHub hub;

    CommitRoutes(FakeHub hub) {
        this.hub = hub;
    }

    Response create(Request request, Access access) throws IOException, HubError {
        access.mustWrite();
        JsonNode asked = request.json();
        String type = asked.path("type").asText("model");
        if (!type.equals("model")) {
            throw HubError.badRequest("this hub has models only, not " + type);
        }
        String id = asked.path("organization").asText("writer") + "/" + asked.path("name").asText();
        ObjectNode answer =
                InfoRoutes.object()
                        .put("url", hub.endpoint() + "/" + id)
                        .put("id", id)
                        .put("name", id);
        if (hub.find(id).isPresent()) {
            answer.put("error", "You already created this model repo");
            return Response.json(answer).status(409);
        }
        FakeRepo repo;
        try {
            repo = hub.create(id);
        } catch (IOException e) {
            throw HubError.badRequest(String.valueOf(e.getMessage()));
        }
        repo.setPrivate(
                asked.path("visibility").asText().equals("private")
                        || asked.path("private").asBoolean());
        return Response.json(answer);
    }

    Response preupload(Request request, HubRoutes.Place place) throws IOException, HubError {
        place.access().mustWrite();
        String commit = place.commit();
        JsonNode files = request.json().path("files");
        if (files.size() > MOST_FILES) {
            throw HubError.badRequest("more than %d files".formatted(MOST_FILES));
        }
        ObjectNode answer = InfoRoutes.object();
        ArrayNode modes = answer.putArray("files");
        for (JsonNode file : files) {
            String path = checked(file.path("path").asText());
            byte[] sample = Base64.getDecoder().decode(file.path("sample").asText());
            boolean large =
                    place.repo()
                            .isLarge(Optional.of(commit), path, file.path("size").asLong(), sample);
            ObjectNode mode =
                    modes.addObject()
                            .put("path", path)
                            .put("uploadMode", large ? "lfs" : "regular")
                            .put("shouldIgnore", false);
            place.repo()
                    .file(commit, path)
                    .ifPresent(old ->
                            mode.put("oid", old.lfs().map(LfsPointer::sha256).orElse(old.oid())));
        }
        answer.put("commitOid", commit);
        return Response.json(answer);
    }

    Response commit(Request request, HubRoutes.Place place) throws IOException, HubError {
        FakeRepo repo = place.repo();
        boolean pullRequest = request.flag("create_pr");
        if (!pullRequest || !place.access().known()) {
            place.access().mustWrite();
        }
        synchronized (repo) {
            String parent = place.commit();
            String message = "";
            List<FakeRepo.Change> changes = new ArrayList<>();
            for (JsonNode line : request.lines()) {
                JsonNode value = line.path("value");
                if (line.path("key").asText().equals("header")) {
                    message = header(value, parent);
                } else {
                    changes.add(change(repo, parent, line.path("key").asText(), value));
                }
            }
            if (message.isEmpty()) {
                throw HubError.badRequest("the header lacks a summary");
            }
            int number = pullRequest ? repo.nextPullRequest() : 0;
            String ref = pullRequest ? "refs/pr/" + number : writable(repo, place.revision());
            String oid = repo.apply(ref, Optional.of(parent), message, "writer", changes);
            String url = hub.endpoint() + "/" + repo.id();
            ObjectNode answer =
                    InfoRoutes.object()
                            .put("success", true)
                            .put("commitOid", oid)
                            .put("commitUrl", url + "/commit/" + oid)
                            .put("hookOutput", "");
            if (pullRequest) {
                answer.put("pullRequestUrl", url + "/discussions/" + number);
            }
            return Response.json(answer);
        }
    }

    private static String header(JsonNode value, String head) throws HubError {
        String parent = value.path("parentCommit").asText("");
        if (!parent.isEmpty() && !parent.equals(head)) {
            throw new HubError(
                    412, "", "A commit has happened since. Please refresh and try again.");
        }
        String description = value.path("description").asText("");
        return value.path("summary").asText() + (description.isEmpty() ? "" : "\n\n" + description);
    }

    private FakeRepo.Change change(FakeRepo repo, String parent, String key, JsonNode value)
            throws IOException, HubError {
        String path = checked(value.path("path").asText().replaceFirst("/$", ""));
        return switch (key) {
            case "file" -> {
                String content = value.path("content").asText();
                byte[] bytes =
                        value.path("encoding").asText().equals("base64")
                                ? Base64.getDecoder().decode(content)
                                : content.getBytes(java.nio.charset.StandardCharsets.UTF_8);
                yield new FakeRepo.Change.Put(path, repo.git().writeBlob(bytes));
            }
            case "lfsFile" -> {
                var pointer =
                        new LfsPointer(value.path("oid").asText(), value.path("size").asLong(-1));
                if (!pointer.sha256().matches("[0-9a-f]{64}")
                        || !hub.lfs().has(pointer.sha256(), pointer.size())) {
                    throw HubError.badRequest(
                            "LFS pointer pointed to a file that does not exist: " + path);
                }
                yield new FakeRepo.Change.Put(path, repo.git().writeBlob(pointer.toBytes()));
            }
            case "deletedFile" -> {
                if (repo.file(parent, path).isEmpty()) {
                    throw new HubError(
                            404, "EntryNotFound", "A file with this name doesn't exist: " + path);
                }
                yield new FakeRepo.Change.DeleteFile(path);
            }
            case "deletedFolder" -> new FakeRepo.Change.DeleteFolder(path);
            default -> throw HubError.badRequest("unknown operation " + key);
        };
    }

    /** The full reference of a branch or pull request; tags and commits do not move. */
    private static String writable(FakeRepo repo, String revision) throws IOException, HubError {
        String ref = revision.startsWith("refs/") ? revision : "refs/heads/" + revision;
        if (repo.git().ref(ref).isEmpty() || ref.startsWith("refs/tags/")) {
            throw HubError.badRequest("not a branch: " + revision);
        }
        return ref;
    }

    /**
     * {@code branch/<name>} with a {@code startingPoint}, or {@code tag/<revision>} with a name.
     */
    Response label(Request request, HubRoutes.Place place) throws IOException, HubError {
        place.access().mustWrite();
        JsonNode asked = request.json();
        boolean tag = place.verb().equals("tag");
        String name = tag ? asked.path("tag").asText() : place.revision();
        String from = tag ? place.revision() : asked.path("startingPoint").asText("main");
        if (checked(name).isEmpty() || place.repo().head(from).isEmpty()) {
            throw new HubError(404, "RevisionNotFound", "Invalid rev id: " + from);
        }
        if (tag) {
            place.repo().tag(name, from);
        } else {
            place.repo().branch(name, from);
        }
        return Response.json(InfoRoutes.object());
    }

    /** Model cards are taken as they are. */
    Response validateCard(Request request) throws IOException, HubError {
        request.json();
        ObjectNode answer = InfoRoutes.object();
        answer.putArray("errors");
        answer.putArray("warnings");
        return Response.json(answer);
    }

    private static String checked(String path) throws HubError {
        for (String name : path.split("/", -1)) {
            if (name.isEmpty() || name.equals(".") || name.equals("..") || name.equals(".git")) {
                throw HubError.badRequest("not a path inside a repository: '%s'".formatted(path));
            }
        }
        return path;
    }
}
