/**
 * Judges what a pod has left: its phase, the documents and their content, what its main container saw, and that nothing else is there.
 * @module
 */
import assert from "assert";
import { Buffer } from "node:buffer";
import { parse } from "yaml";
import { type Bucket, SECRET_KEY } from "../faults/bucket.ts";
import { type Manifest, statusesOf } from "./cluster.ts";
import { decodeJson } from "./proto_json.ts";

/** What must be there when a pod has ended; tests/data/flyte-pods/README.md tells the form. */
export interface Expectation {
  phase?: string;
  documents?: string;
  outputs?: unknown;
  error?: { origin?: string; kind?: string; code?: string; message?: string[] };
  saw?: Record<string, Seen>;
  restarts?: Record<string, number>;
  /** Seconds. */
  bound?: number;
}

/** A file that main must have found. */
type Seen = string | { base64?: string; json?: unknown; yaml?: unknown; LiteralMap?: unknown };

/** Where a pod's documents and data are: keys of the bucket without a slash at the end. */
export interface Places {
  outputs: string;
  raw: string;
}

const DOCUMENTS = ["error.pb", "errors.pb", "outputs.pb"];
const decoder = new TextDecoder();

/** @param log what main wrote */
export async function judge(
  expected: Expectation,
  { pod, log }: { pod: Manifest; log: string },
  store: { bucket: Bucket; places: Places },
): Promise<void> {
  judgePhase(expected, pod);
  await judgeDocuments(expected, store);
  if (expected.saw !== undefined) await judgeSeen(expected.saw, log);
  for (const { name, restartCount } of statusesOf(pod)) {
    const allowed = expected.restarts?.[name] ?? 0;
    assert(restartCount <= allowed, `${name} was started again ${restartCount} times, allowed ${allowed}`);
  }
}

function judgePhase({ phase }: Expectation, pod: Manifest): void {
  if (phase === undefined) return;
  assert(phase.split("|").includes(pod["status"].phase), `phase ${pod["status"].phase}, expected ${phase}`);
}

async function judgeDocuments(
  expected: Expectation,
  { bucket, places }: { bucket: Bucket; places: Places },
): Promise<void> {
  const keys = await bucket.keys(`${places.outputs}/`);
  const found = DOCUMENTS.filter((name) => keys.includes(`${places.outputs}/${name}`));
  const read = async (name: string) => (await bucket.get(`${places.outputs}/${name}`))!;
  const failure = found.find((name) => name !== "outputs.pb");
  const error = failure && (decodeJson("ErrorDocument", await read(failure)) as { error: ErrorJson }).error;
  const wanted = expected.documents ?? (expected.outputs ? "outputs.pb" : expected.error ? "error.pb" : "");
  assert(
    wanted.split("|").includes(found.join("+")),
    `documents: ${found.join(" and ") || "none"}, expected ${wanted || "none"}; ${JSON.stringify(error)}`,
  );
  if (error && expected.error) judgeError(expected.error, error);
  const named: string[] = [];
  if (found.includes("outputs.pb") && expected.outputs !== undefined) {
    const outputs = decodeJson("LiteralMap", await read("outputs.pb"));
    await new Comparison(bucket, places.raw, named).equal(expected.outputs, outputs, "outputs.pb");
  }
  assert.deepEqual(await bucket.openUploads(places.outputs), [], "uploads that nobody ended");
  assert.deepEqual(await bucket.openUploads(places.raw), [], "uploads that nobody ended");
  if (failure !== undefined) return;
  // Beside a success stands only what it names.
  const others = [...keys, ...await bucket.keys(`${places.raw}/`)].filter((key) =>
    !["inputs.pb", ...DOCUMENTS].some((name) => key === `${places.outputs}/${name}`) &&
    !named.some((name) => key === name || key.startsWith(`${name}/`))
  );
  assert.deepEqual(others, [], "objects that no output names");
}

type ErrorJson = Record<"origin" | "kind" | "code" | "message", string>;

function judgeError(expected: NonNullable<Expectation["error"]>, error: ErrorJson): void {
  const text = JSON.stringify(error);
  for (const field of ["origin", "kind", "code"] as const) {
    const wanted = expected[field];
    if (wanted !== undefined) {
      assert(wanted.split("|").includes(error[field]), `${field}: expected ${wanted}: ${text}`);
    }
  }
  for (const pattern of expected.message ?? []) assert.match(error.message, new RegExp(pattern, "i"));
  assert(!text.includes(SECRET_KEY), `the secret key in the error document: ${text}`);
}

/** Equality of documents; a URI of an expectation may stand for the content of what it names. */
class Comparison {
  readonly #bucket: Bucket | null;
  readonly #raw: string;
  readonly #named: string[];

  /** @param named takes the keys that the document names */
  constructor(bucket: Bucket | null = null, raw = "", named: string[] = []) {
    this.#bucket = bucket;
    this.#raw = raw;
    this.#named = named;
  }

  async equal(expected: unknown, found: unknown, where: string): Promise<void> {
    if (where.endsWith("/uri") && isObject(expected)) return await this.#content(expected, found, where);
    if (isObject(expected) && isObject(found)) {
      assert.deepEqual(Object.keys(found).sort(), Object.keys(expected).sort(), where);
      for (const [name, one] of Object.entries(expected)) {
        await this.equal(one, found[name], `${where}/${name}`);
      }
      return;
    }
    assert.deepEqual(found, expected, where);
  }

  async #content(expected: Record<string, unknown>, uri: unknown, where: string): Promise<void> {
    const bucket = this.#bucket!;
    const prefix = `s3://${bucket.name}/`;
    assert(
      typeof uri === "string" && uri.startsWith(`${prefix}${this.#raw}/`),
      `${where}: ${uri} is below the raw prefix`,
    );
    const key = uri.slice(prefix.length).replace(/\/$/, "");
    this.#named.push(key);
    if (!isObject(expected["files"])) {
      const bytes = await bucket.get(key);
      const wanted = typeof expected["text"] === "string"
        ? Buffer.from(expected["text"])
        : Buffer.from(String(expected["base64"]), "base64");
      assert(bytes !== null && wanted.equals(bytes), `${where}: the bytes that main wrote`);
      return;
    }
    const files: Record<string, string> = {};
    for (const one of await bucket.keys(`${key}/`)) {
      files[one.slice(key.length + 1)] = decoder.decode((await bucket.get(one))!);
    }
    assert.deepEqual(files, expected["files"], where);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

async function judgeSeenFile(expected: Seen, bytes: Uint8Array, name: string): Promise<void> {
  const text = decoder.decode(bytes);
  if (typeof expected === "string") return assert.equal(text, expected, `main saw ${name}`);
  if ("LiteralMap" in expected) {
    return await new Comparison().equal(expected.LiteralMap, decodeJson("LiteralMap", bytes), name);
  }
  if ("json" in expected) return assert.deepEqual(JSON.parse(text), expected.json, `main saw ${name}`);
  if ("yaml" in expected) return assert.deepEqual(parse(text), expected.yaml, `main saw ${name}`);
  assert.equal(bytes.toBase64(), expected.base64, `main saw ${name}`);
}

/** Main wrote `saw NAME BASE64` for each of its input files, and `sawdir NAME` for each empty directory. */
async function judgeSeen(expected: Record<string, Seen>, log: string): Promise<void> {
  const seen = new Map<string, Uint8Array>();
  for (const [, name, content] of log.matchAll(/^saw (.+?) ([A-Za-z0-9+/=]*)$/gm)) {
    seen.set(name!, Uint8Array.fromBase64(content!));
  }
  const names = [...seen.keys(), ...[...log.matchAll(/^sawdir (.+)$/gm)].map(([, name]) => `${name}/`)];
  assert.deepEqual(names.sort(), Object.keys(expected).sort(), "the files that main found");
  for (const [name, one] of Object.entries(expected)) {
    if (!name.endsWith("/")) await judgeSeenFile(one, seen.get(name)!, name);
  }
}
