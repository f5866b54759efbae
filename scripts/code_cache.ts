/**
 * What V8 makes of an executable's code: the functions that a pod's ordinary runs need, compiled beforehand.
 *
 * The executable itself, with startup/train.ts in place of startup/load.ts, downloads inputs and uploads outputs as Flyte's plugin asks
 * for it, from and to an S3 of a few lines. It is the very runtime, with the very flags, or V8 would refuse the result.
 * @module
 */
import { createHash } from "node:crypto";
import { encode, encodeLiteralMap } from "../src/flyte/codec/idl.ts";
import { Dimensionality, SimpleType } from "../src/flyte/types.ts";
import { type Compiled, nameOf, THREADS } from "./bundle.ts";
import { blob, blobType, literal, simpleType } from "./literals.ts";

/** Two builds of one commit are to be the same bytes, but a run that is held up may compile a function more. */
const MAX_ATTEMPTS = 6;
/** Of one run, in milliseconds. */
const RUN_MS = 30_000;
const BUCKET = "bucket";

/**
 * Trains an executable until two trainings have the same result.
 *
 * @param executable path of one that was made for training, and that this machine can run
 * @throws Error where a run fails, or no two trainings are the same
 */
export async function train(executable: string): Promise<Compiled> {
  const seen = new Set<string>();
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const compiled = await trainOnce(executable);
    const digest = createHash("sha256");
    for (const bytes of compiled.values()) digest.update(bytes);
    const name = digest.digest("hex");
    if (seen.has(name)) return compiled;
    seen.add(name);
  }
  throw new Error(`No two of ${MAX_ATTEMPTS} trainings had the same result`);
}

async function trainOnce(executable: string): Promise<Compiled> {
  const directory = await Deno.makeTempDir({ prefix: "copilot-training-" });
  const objects = inputs();
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, serve(objects));
  try {
    const storage = storageFlags(server.addr.port);
    const local = `${directory}/local`;
    const run = (args: string[], started?: (child: Deno.ChildProcess) => void) =>
      runOnce(executable, [...storage, ...args], { directory, started });
    const output = ["--to-output-prefix", `s3://${BUCKET}/out`];
    await run(["download", ...output, "--from-remote", `s3://${BUCKET}/inputs.pb`, "--to-local-dir", local]);
    await run(
      [
        ...["sidecar", ...output, "--from-local-dir", local, "--to-raw-output", `s3://${BUCKET}/raw`],
        ...["--interface", encode("TypedInterface", { outputs: { variables: VARIABLES } }).toBase64()],
        // As the first process of its container, a native sidecar, finds out by itself.
        ...["--start-watcher-type", "signal", "--exit-watcher-type", "signal"],
      ],
      (child) => child.kill("SIGTERM"),
    );
    if (!objects.has("out/outputs.pb")) throw new Error("Cannot train: a sidecar wrote no outputs.pb");
    return new Map(THREADS.map((thread) => [thread, Deno.readFileSync(`${directory}/${nameOf(thread)}`)]));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

interface Run {
  directory: string;
  /** Called when the first line of the log is there, so when signals are listened for. */
  started: ((child: Deno.ChildProcess) => void) | undefined;
}

async function runOnce(executable: string, args: string[], { directory, started }: Run): Promise<void> {
  const child = new Deno.Command(executable, {
    ...{ args, cwd: directory, env: { COPILOT_TRAINING: directory }, clearEnv: true },
    ...{ stdout: "null", stderr: "piped", signal: AbortSignal.timeout(RUN_MS) },
  }).spawn();
  let log = "";
  for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
    if (log === "") started?.(child);
    log += text;
  }
  if (!(await child.status).success) throw new Error(`Cannot train with ${args.join(" ")}: ${log}`);
}

/** As Flyte's plugin gives them. */
function storageFlags(port: number): string[] {
  const stow = {
    auth_type: "accesskey",
    endpoint: `http://127.0.0.1:${port}`,
    access_key_id: "key",
    secret_key: "secret",
    region: "us-east-1",
    disable_ssl: "true",
  };
  const pairs = Object.entries(stow).flatMap((
    [name, value],
  ) => ["--storage.stow.config", `${name}=${value}`]);
  const limits = ["--storage.limits.maxDownloadMBs=0", "--logger.level=4", `--storage.container=${BUCKET}`];
  return [...limits, "--storage.type=minio", "--storage.stow.kind=s3", ...pairs];
}

/** Outputs as inputs: what a download leaves is what the upload finds. */
const VARIABLES = Object.entries({
  count: simpleType(SimpleType.INTEGER),
  ratio: simpleType(SimpleType.FLOAT),
  name: simpleType(SimpleType.STRING),
  flag: simpleType(SimpleType.BOOLEAN),
  file: blobType(Dimensionality.SINGLE),
  directory: blobType(Dimensionality.MULTIPART),
}).map(([key, type]) => ({ key, value: { type, description: "" } }));

function inputs(): Map<string, Uint8Array> {
  const bytes = new Uint8Array(100);
  const literals = new Map(Object.entries({
    count: literal({ case: "primitive", value: { value: { case: "integer", value: 7n } } }),
    ratio: literal({ case: "primitive", value: { value: { case: "floatValue", value: 0.5 } } }),
    name: literal({ case: "primitive", value: { value: { case: "stringValue", value: "a name" } } }),
    flag: literal({ case: "primitive", value: { value: { case: "boolean", value: true } } }),
    file: blob(`s3://${BUCKET}/data/file`, Dimensionality.SINGLE),
    directory: blob(`s3://${BUCKET}/data/directory`, Dimensionality.MULTIPART),
  }));
  const objects = { "data/file": bytes, "data/directory/a": bytes, "data/directory/below/b": bytes };
  return new Map(Object.entries({ "inputs.pb": encodeLiteralMap({ literals }), ...objects }));
}

/** An S3 of one bucket, as far as two runs ask it. */
function serve(objects: Map<string, Uint8Array>): (request: Request) => Promise<Response> {
  return async (request) => {
    const { pathname, searchParams } = new URL(request.url);
    const key = decodeURIComponent(pathname.slice(BUCKET.length + 2));
    if (key === "") return listing(objects, searchParams.get("prefix") ?? "");
    if (request.method === "PUT") {
      objects.set(key, await request.bytes());
      return new Response(null, { headers: { etag: etagOf(objects.get(key)!) } });
    }
    if (request.method === "DELETE") {
      objects.delete(key);
      return new Response(null, { status: 204 });
    }
    const bytes = objects.get(key);
    if (bytes === undefined) return new Response("<Error><Code>NoSuchKey</Code></Error>", { status: 404 });
    const headers = { etag: etagOf(bytes), "content-length": String(bytes.length), "accept-ranges": "bytes" };
    return new Response(request.method === "HEAD" ? null : bytes.slice(), { headers });
  };
}

function listing(objects: Map<string, Uint8Array>, prefix: string): Response {
  const contents = [...objects].filter(([key]) => key.startsWith(prefix)).sort().map(([key, bytes]) =>
    `<Contents><Key>${key}</Key><Size>${bytes.length}</Size><ETag>${
      etagOf(bytes).replaceAll('"', "&quot;")
    }</ETag></Contents>`
  );
  return new Response(
    `<ListBucketResult><IsTruncated>false</IsTruncated>${contents.join("")}</ListBucketResult>`,
  );
}

function etagOf(bytes: Uint8Array): string {
  return `"${createHash("md5").update(bytes).digest("hex")}"`;
}
