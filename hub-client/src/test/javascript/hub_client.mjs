// What the interop tests ask of @huggingface/hub; see hub_client.py. One line of JSON on stdout.
//
//   hub_client.mjs snapshot REPO REVISION      downloads; the folder and the sha256 of every file
//   hub_client.mjs offline  REPO COMMIT FILE…  files of a commit, with every request refused
//   hub_client.mjs upload   REPO FOLDER [pr]   creates the repository; commit, pull request

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import * as hub from "@huggingface/hub";

const common = {
	hubUrl: process.env.HF_ENDPOINT,
	cacheDir: process.env.HF_HUB_CACHE,
	accessToken: process.env.HF_TOKEN,
};
console.debug = () => {}; // the library reports each download on stdout

const sha256 = (file) => createHash("sha256").update(readFileSync(file)).digest("hex");

function hashes(folder) {
	const files = readdirSync(folder, { recursive: true })
		.map((name) => join(folder, name))
		.filter((file) => statSync(file).isFile());
	return Object.fromEntries(files.map((file) => [relative(folder, file), sha256(file)]));
}

async function snapshot(repo, revision) {
	const folder = await hub.snapshotDownload({ repo, revision, ...common });
	return { folder, files: hashes(folder) };
}

async function offline(repo, revision, ...paths) {
	const refuse = () => Promise.reject(new Error("offline"));
	const found = {};
	for (const path of paths) {
		const file = await hub.downloadFileToCacheDir({ repo, revision, path, ...common, fetch: refuse });
		found[path] = sha256(file);
	}
	return { files: found };
}

async function upload(repo, folder, pr) {
	if (!(await hub.repoExists({ repo, ...common }))) {
		await hub.createRepo({ repo, ...common });
	}
	const done = await hub.uploadFiles({
		repo,
		files: [{ path: "", content: pathToFileURL(folder) }],
		commitTitle: "by JavaScript",
		isPullRequest: pr !== undefined,
		...common,
	});
	return { commit: done.commit.oid, pullRequest: done.pullRequestUrl };
}

const [verb, ...rest] = process.argv.slice(2);
console.log(JSON.stringify(await { snapshot, offline, upload }[verb](...rest)));
