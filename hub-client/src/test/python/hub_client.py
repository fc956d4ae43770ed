"""What the interop tests ask of huggingface_hub. One line of JSON on stdout; endpoint, cache and
token come from the environment, as in anyone's program.

    hub_client.py snapshot REPO REVISION     downloads; the folder and the sha256 of every file
    hub_client.py offline  REPO REVISION     the same from the cache alone
    hub_client.py upload   REPO FOLDER [pr]  creates the repository if need be; commit, pull request
    hub_client.py errors   REPO TOKEN ...    the exceptions that asking for a missing file raises
    hub_client.py scan                       the repositories and warnings that the cache scan finds
"""

import hashlib
import json
import pathlib
import sys

import huggingface_hub as hub


def hashes(folder):
    root = pathlib.Path(folder)
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def snapshot(repo, revision, **options):
    folder = hub.snapshot_download(repo, revision=revision, **options)
    return {"folder": folder, "files": hashes(folder)}


def upload(repo, folder, pr=None):
    api = hub.HfApi()
    api.create_repo(repo, exist_ok=True)
    commit = api.upload_folder(
        repo_id=repo, folder_path=folder, commit_message="by Python", create_pr=pr is not None
    )
    return {"commit": commit.oid, "pullRequest": commit.pr_url}


def error(repo, token):
    repo, _, revision = repo.partition("@")
    try:
        hub.hf_hub_download(repo, "absent.txt", revision=revision or "main", token=token or False)
        return "none"
    except Exception as e:
        return type(e).__name__


def scan():
    found = hub.scan_cache_dir()
    return {
        "repos": {repo.repo_id: repo.size_on_disk for repo in found.repos},
        "warnings": [str(warning) for warning in found.warnings],
    }


def main(verb, *arguments):
    match verb:
        case "snapshot":
            return snapshot(*arguments)
        case "offline":
            return snapshot(*arguments, local_files_only=True)
        case "upload":
            return upload(*arguments)
        case "errors":
            return [error(*pair) for pair in zip(arguments[::2], arguments[1::2])]
        case "scan":
            return scan()


print(json.dumps(main(*sys.argv[1:])))
