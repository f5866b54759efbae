import assert from "assert";
import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { type ImageOptions, writeImage } from "../../scripts/image_archive.ts";

/** Files of a directory, made in one order or the other, with whatever times they get. */
function rootfs(names: readonly string[]): string {
  const directory = Deno.makeTempDirSync();
  Deno.mkdirSync(`${directory}/bin`);
  for (const name of names) Deno.writeTextFileSync(`${directory}/bin/${name}`, name, { mode: 0o755 });
  Deno.symlinkSync("one", `${directory}/bin/link`);
  return directory;
}

const OPTIONS: Omit<ImageOptions, "rootfs" | "output"> = {
  tag: "localhost/x:1",
  architecture: "arm64",
  user: "65532:65532",
  entrypoint: ["/bin/one"],
  env: ["PATH=/bin"],
  labels: { "org.opencontainers.image.version": "1.2.3" },
  created: 1_700_000_000,
};

async function untar(archive: string, member: string): Promise<Uint8Array> {
  const { stdout, success } = await new Deno.Command("tar", { args: ["-xOf", archive, member] }).output();
  assert(success, member);
  return stdout;
}

async function json(archive: string, member: string) {
  return JSON.parse(new TextDecoder().decode(await untar(archive, member)));
}

Deno.test("image archive: the same files give the same bytes, in whatever order they were made", async () => {
  const directories = [rootfs(["one", "two"]), rootfs(["two", "one"])];
  const archives = directories.map((directory) => `${directory}.tar`);
  const digests = [];
  for (const [index, directory] of directories.entries()) {
    digests.push(await writeImage({ ...OPTIONS, rootfs: directory, output: archives[index]! }));
  }
  assert.equal(digests[0], digests[1]);
  assert.deepEqual(Deno.readFileSync(archives[0]!), Deno.readFileSync(archives[1]!));
  for (const path of [...directories, ...archives]) Deno.removeSync(path, { recursive: true });
});

Deno.test("image archive: both indexes lead to one image, whose digests are those of its bytes", async () => {
  const directory = rootfs(["one"]);
  const output = `${directory}.tar`;
  const digest = await writeImage({ ...OPTIONS, rootfs: directory, output });
  const blob = async (name: string) => await untar(output, `blobs/${name.replace(":", "/")}`);
  const [reference] = (await json(output, "index.json")).manifests;
  assert.equal(reference.digest, digest);
  assert.deepEqual(reference.platform, { architecture: "arm64", os: "linux" });
  const manifest = await json(output, `blobs/${digest.replace(":", "/")}`);
  for (const { digest, size } of [reference, manifest.config, ...manifest.layers]) {
    const bytes = await blob(digest);
    assert.equal(bytes.length, size);
    assert.equal(`sha256:${createHash("sha256").update(bytes).digest("hex")}`, digest);
  }
  const [docker] = await json(output, "manifest.json");
  assert.deepEqual(docker.RepoTags, ["localhost/x:1"]);
  assert.equal(docker.Config, `blobs/${manifest.config.digest.replace(":", "/")}`);
  const config = await json(output, docker.Config);
  assert.equal(config.config.User, "65532:65532");
  assert.equal(config.created, "2023-11-14T22:13:20.000Z");
  const layer = gunzipSync(await blob(manifest.layers[0].digest));
  assert.equal(config.rootfs.diff_ids[0], `sha256:${createHash("sha256").update(layer).digest("hex")}`);
  for (const path of [directory, output]) Deno.removeSync(path, { recursive: true });
});
