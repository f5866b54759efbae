// deno-lint-ignore-file no-console -- a command-line tool: the terminal is its output
/**
 * Writes a directory as a container image, without a build tool: the same files and options give the same bytes.
 *
 * `deno run -A scripts/image_archive.ts --rootfs DIR --output FILE --tag NAME [--architecture amd64] [--user UID:GID]
 * [--entrypoint PATH] [--env NAME=VALUE]... [--label NAME=VALUE]... [--created SECONDS]`
 *
 * The archive is an OCI image layout that also has the index of `docker save`, so podman, docker, skopeo and containerd load it.
 * Files belong to root and keep their modes. It needs GNU tar, and prints the digest of the image's manifest.
 * @module
 */
import { createHash } from "node:crypto";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";

/** What an image says of itself beside its files. */
export interface ImageOptions {
  /** Directory whose files are the image's. */
  rootfs: string;
  /** Archive to write. */
  output: string;
  /** Name and tag, such as `registry.example.com/copilot:0.2.0`. */
  tag: string;
  /** As Go names it: `amd64`, `arm64`. */
  architecture: string;
  /** `UID:GID`; empty for root. */
  user: string;
  entrypoint: string[];
  /** `NAME=VALUE` each. */
  env: string[];
  labels: Record<string, string>;
  /** Unix time that the image, and every file in it, carries; in seconds. */
  created: number;
}

interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
}

const OCI = "application/vnd.oci.image";

/** A tar archive whose bytes follow from the files' names, modes and content alone. */
async function tar(directory: string, created: number): Promise<Uint8Array> {
  // By name rather than as ".", whose entry would give the image's root the mode of this directory.
  const names = [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
  const { success, stdout, stderr } = await new Deno.Command("tar", {
    args: [
      ...["--create", "--sort=name", "--format=ustar", `--mtime=@${created}`],
      ...["--owner=0", "--group=0", "--numeric-owner", "--directory", directory, "--", ...names],
    ],
    env: { LC_ALL: "C" },
    stdin: "null",
  }).output();
  if (!success) throw new Error(`Cannot archive "${directory}": ${new TextDecoder().decode(stderr).trim()}`);
  return stdout;
}

function sha256(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function config(options: ImageOptions, layer: Uint8Array): string {
  const created = new Date(options.created * 1000).toISOString();
  return JSON.stringify({
    architecture: options.architecture,
    os: "linux",
    created,
    config: {
      ...(options.user === "" ? {} : { User: options.user }),
      Env: options.env,
      Entrypoint: options.entrypoint,
      WorkingDir: "/",
      Labels: options.labels,
    },
    rootfs: { type: "layers", diff_ids: [`sha256:${sha256(layer)}`] },
    history: [{ created, comment: "files of one directory" }],
  });
}

/**
 * Writes the image.
 *
 * @returns digest of the manifest, as a registry will name the image
 * @throws Error when a file cannot be read or written
 */
export async function writeImage(options: ImageOptions): Promise<string> {
  const work = await Deno.makeTempDir({ prefix: "copilot-image-" });
  try {
    await Deno.mkdir(`${work}/blobs/sha256`, { recursive: true });
    const blob = async (mediaType: string, content: Uint8Array | string): Promise<Descriptor> => {
      const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
      const hex = sha256(bytes);
      await Deno.writeFile(`${work}/blobs/sha256/${hex}`, bytes, { mode: 0o644 });
      return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
    };
    const files = await tar(options.rootfs, options.created);
    const layer = await blob(`${OCI}.layer.v1.tar+gzip`, gzipSync(files));
    const settings = await blob(`${OCI}.config.v1+json`, config(options, files));
    const manifest = await blob(
      `${OCI}.manifest.v1+json`,
      JSON.stringify({
        schemaVersion: 2,
        mediaType: `${OCI}.manifest.v1+json`,
        config: settings,
        layers: [layer],
        annotations: options.labels,
      }),
    );
    await writeIndexes(work, options, { layer, settings, manifest });
    await Deno.writeFile(options.output, await tar(work, options.created));
    return manifest.digest;
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

/** What the loaders look at first: OCI's index, and docker's. */
async function writeIndexes(
  work: string,
  { tag, architecture }: ImageOptions,
  { layer, settings, manifest }: Record<"layer" | "settings" | "manifest", Descriptor>,
): Promise<void> {
  const path = ({ digest }: Descriptor) => `blobs/${digest.replace(":", "/")}`;
  const annotations = { "io.containerd.image.name": tag, "org.opencontainers.image.ref.name": tag };
  const texts = {
    "oci-layout": { imageLayoutVersion: "1.0.0" },
    "index.json": {
      schemaVersion: 2,
      mediaType: `${OCI}.index.v1+json`,
      manifests: [{ ...manifest, platform: { architecture, os: "linux" }, annotations }],
    },
    "manifest.json": [{ Config: path(settings), RepoTags: [tag], Layers: [path(layer)] }],
  };
  for (const [name, content] of Object.entries(texts)) {
    await Deno.writeTextFile(`${work}/${name}`, JSON.stringify(content), { mode: 0o644 });
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      rootfs: { type: "string" },
      output: { type: "string" },
      tag: { type: "string" },
      architecture: { type: "string", default: Deno.build.arch === "aarch64" ? "arm64" : "amd64" },
      user: { type: "string", default: "" },
      entrypoint: { type: "string", multiple: true, default: [] },
      env: { type: "string", multiple: true, default: ["PATH=/bin"] },
      label: { type: "string", multiple: true, default: [] },
      created: { type: "string", default: "0" },
    },
  });
  const { rootfs, output, tag } = values;
  if (rootfs === undefined || output === undefined || tag === undefined) {
    console.error("Cannot write an image: expected --rootfs DIR, --output FILE and --tag NAME");
    Deno.exit(2);
  }
  const labels = Object.fromEntries(values.label.map((label) => {
    const at = label.indexOf("=");
    return [label.slice(0, at), label.slice(at + 1)];
  }));
  const { architecture, user, entrypoint, env } = values;
  const created = Number(values.created);
  const options = { rootfs, output, tag, architecture, user, entrypoint, env, labels, created };
  console.log(await writeImage(options));
}

if (import.meta.main) await main();
