/** examples/policies: the rights that they give are enough, and none of them is for nothing. */
import assert from "assert";
import { encode, encodeLiteralMap } from "../../src/flyte/codec/idl.ts";
import { Secret } from "../../src/config/mod.ts";
import { sha256Hex, Signer } from "../../src/storage/backends/s3/sigv4.ts";
import { ACCESS_KEY, Bucket, REGION, SECRET_KEY } from "../faults/bucket.ts";
import { type Outcome, runCopilot } from "../faults/copilot.ts";
import { DIRECTORY, FILE, literalMap, outputs, tree } from "../support/plans.ts";
import { testWith } from "./harness.ts";

const BOUND_MS = 60_000;
/** Enough for several parts. */
const LARGE_BYTES = 40 * 1024 * 1024;

interface Policy {
  Statement: { Action: string[]; Resource: string[] }[];
}

const POLICY: Policy = JSON.parse(
  Deno.readTextFileSync(new URL("../../examples/policies/s3.json", import.meta.url)),
);
const ACTIONS = POLICY.Statement.flatMap(({ Action }) => Action);

/** The example for a bucket, without one of its actions. */
function policy(bucket: string, without?: string): string {
  const statements = POLICY.Statement.map((one) => ({
    ...one,
    Action: one.Action.filter((action) => action !== without),
    Resource: one.Resource.map((resource) => resource.replace("my-bucket", bucket)),
  }));
  return JSON.stringify({ ...POLICY, Statement: statements });
}

/** Credentials that may do what a policy says, from the server's token service. */
async function assumeRole(endpoint: string, document: string): Promise<Record<string, string>> {
  const body = new URLSearchParams({
    Action: "AssumeRole",
    Version: "2011-06-15",
    DurationSeconds: "3600",
    RoleArn: "arn:aws:iam::000000000000:role/copilot",
    RoleSessionName: "copilot",
    Policy: document,
  }).toString();
  const part = { method: "POST", path: "/", query: "", host: new URL(endpoint).host, headers: [] };
  const root = { accessKeyId: ACCESS_KEY, secretAccessKey: new Secret(SECRET_KEY) };
  const signed = new Signer(REGION, "sts").sign({ ...part, payload: sha256Hex(body) }, root, Date.now());
  const headers = [...signed, ["content-type", "application/x-www-form-urlencoded"] as [string, string]];
  const reply = await fetch(`${endpoint}/`, { method: "POST", headers, body });
  const text = await reply.text();
  assert(reply.ok, text);
  const value = (name: string) => new RegExp(`<${name}>(.*?)</${name}>`).exec(text)![1]!;
  return {
    access_key_id: value("AccessKeyId"),
    secret_key: value("SecretAccessKey"),
    token: value("SessionToken"),
  };
}

/** One download and one upload with credentials that may do what a policy says. */
class Runs implements AsyncDisposable {
  readonly bucket: Bucket;
  readonly directory: string;
  readonly #flags: string[];
  readonly #binary: string;

  private constructor(parts: { bucket: Bucket; directory: string; flags: string[]; binary: string }) {
    this.bucket = parts.bucket;
    this.directory = parts.directory;
    this.#flags = parts.flags;
    this.#binary = parts.binary;
  }

  static async start(binary: string, minio: string, without?: string): Promise<Runs> {
    const bucket = await Bucket.open(minio, `policy-${crypto.randomUUID()}`);
    const keys = await assumeRole(minio, policy(bucket.name, without));
    const config = { auth_type: "accesskey", ...keys, region: REGION, disable_ssl: "true", endpoint: minio };
    const flags = Object.entries(config).flatMap((
      [name, value],
    ) => ["--storage.stow.config", `${name}=${value}`]);
    const directory = await Deno.makeTempDir({ prefix: "copilot-policy-" });
    return new Runs({ bucket, directory, flags: ["--storage.stow.kind=s3", ...flags], binary });
  }

  async download(): Promise<Outcome> {
    const root = `s3://${this.bucket.name}`;
    await this.bucket.put("in/dir/a", new TextEncoder().encode("a"));
    const inputs = encodeLiteralMap(literalMap({ dir: tree(`${root}/in/dir`) }));
    await this.bucket.put("meta/inputs.pb", inputs);
    return await this.#run("download", [
      `--from-remote=${root}/meta/inputs.pb`,
      `--to-output-prefix=${root}/meta`,
      `--to-local-dir=${this.directory}/in`,
    ]);
  }

  /** Over an error document of an earlier try, and an upload that somebody else left open. */
  async upload(): Promise<Outcome> {
    const root = `s3://${this.bucket.name}`;
    const out = `${this.directory}/out`;
    Deno.mkdirSync(`${out}/dir`, { recursive: true });
    Deno.writeFileSync(`${out}/large`, new Uint8Array(LARGE_BYTES));
    Deno.writeTextFileSync(`${out}/dir/a`, "a");
    await this.bucket.put("meta/error.pb", encode("ErrorDocument", {}));
    await this.bucket.beginUpload("raw/large");
    const types = encode("TypedInterface", outputs({ dir: DIRECTORY, large: FILE })).toBase64();
    return await this.#run("sidecar", [
      "--start-watcher-type=noop",
      "--exit-watcher-type=noop",
      `--from-local-dir=${out}`,
      `--to-raw-output=${root}/raw`,
      `--to-output-prefix=${root}/meta`,
      `--interface=${types}`,
    ]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.bucket.close();
    await Deno.remove(this.directory, { recursive: true });
  }

  async #run(command: string, flags: string[]): Promise<Outcome> {
    const args = [command, ...this.#flags, "--exit-on-error", ...flags];
    return await runCopilot({ binary: this.#binary, endpoint: "", args, boundMs: BOUND_MS });
  }
}

testWith("policies: examples/policies/s3.json is enough", ["binary", "minio"], async ({ binary, minio }) => {
  await using runs = await Runs.start(binary, minio);
  for (const outcome of [await runs.download(), await runs.upload()]) {
    assert.equal(outcome.code, 0, outcome.stderr);
    assert.doesNotMatch(outcome.stderr, /"level":"(warning|error)".*denied/);
  }
  assert.equal(Deno.readTextFileSync(`${runs.directory}/in/dir/a`), "a");
  assert.deepEqual(await runs.bucket.keys("meta/"), ["meta/inputs.pb", "meta/outputs.pb"]);
  assert.deepEqual(await runs.bucket.openUploads("raw/large"), []);
});

/** What a run without a right cannot do. */
const LOSSES: Readonly<Record<string, (runs: Runs) => Promise<void>>> = {
  "s3:GetObject": fails((runs) => runs.download()),
  "s3:ListBucket": fails((runs) => runs.download()),
  "s3:PutObject": fails((runs) => runs.upload()),
  "s3:DeleteObject": fails((runs) => runs.upload()),
  "s3:AbortMultipartUpload": leavesUploads,
  "s3:ListBucketMultipartUploads": leavesUploads,
};

function fails(run: (runs: Runs) => Promise<Outcome>): (runs: Runs) => Promise<void> {
  return async (runs) => {
    const { code, stderr } = await run(runs);
    assert.equal(code, 1, stderr);
    assert.match(stderr, /denied/);
  };
}

/**
 * Without these, uploads that were begun and never ended cost money until a lifecycle rule removes them. MinIO lists the uploads of a
 * whole key only.
 */
async function leavesUploads(runs: Runs): Promise<void> {
  const { code, stderr } = await runs.upload();
  assert.equal(code, 0, stderr);
  assert.deepEqual(await runs.bucket.openUploads("raw/large"), ["raw/large"]);
}

testWith(
  "policies: no right of s3.json is for nothing",
  ["binary", "minio"],
  async ({ binary, minio }, t) => {
    assert.deepEqual(Object.keys(LOSSES).sort(), [...ACTIONS].sort());
    for (const action of ACTIONS) {
      await t.step(`without ${action}`, async () => {
        await using runs = await Runs.start(binary, minio, action);
        await LOSSES[action]!(runs);
      });
    }
  },
);

/** The rule of examples/policies/redis.acl, as words. */
function redisRule(): string[] {
  const text = Deno.readTextFileSync(new URL("../../examples/policies/redis.acl", import.meta.url));
  return text.trim().split(" ");
}

/** Sends a command as somebody types it; gives the reply's first line. */
async function redis(server: string, command: string): Promise<string> {
  const { hostname, port } = new URL(server);
  using connection = await Deno.connect({ hostname, port: Number(port) });
  await connection.write(new TextEncoder().encode(`${command}\r\n`));
  const reply = new Uint8Array(1024);
  const count = await connection.read(reply);
  return new TextDecoder().decode(reply.subarray(0, count ?? 0)).split("\r\n")[0]!;
}

/** A download and an upload as a user of Redis; gives the failed run's log, or "". */
async function redisRuns(binary: string, server: string, rule: readonly string[]): Promise<string> {
  const user = `copilot-${crypto.randomUUID()}`;
  const directory = await Deno.makeTempDir({ prefix: "copilot-policy-" });
  const words = rule.slice(2).map((word) => word.replace(/^>.*/, ">secret").replace(/^~(?=\w)/, `~${user}/`));
  assert.equal(await redis(server, `ACL SETUSER ${user} ${words.join(" ")}`), "+OK");
  const root = `${server}/${user}`;
  await redis(server, `SET ${user}/raw/in/a 1`);
  const inputs = encodeLiteralMap(literalMap({ dir: tree(`${root}/raw/in`) }));
  const home = `${directory}/seed`;
  Deno.mkdirSync(`${directory}/out/dir`, { recursive: true });
  Deno.writeTextFileSync(`${directory}/out/dir/a`, "a");
  Deno.writeFileSync(`${directory}/out/large`, new Uint8Array(LARGE_BYTES));
  Deno.writeFileSync(home, inputs);
  await putRedis(server, `${user}/metadata/inputs.pb`, inputs);
  await redis(server, `SET ${user}/metadata/error.pb old`);
  const config = { endpoint: new URL(server).host, username: user, password: "secret" };
  const flags = Object.entries(config).flatMap((
    [name, value],
  ) => ["--storage.stow.config", `${name}=${value}`]);
  const store = ["--storage.stow.kind=redis", ...flags, "--exit-on-error"];
  const types = encode("TypedInterface", outputs({ dir: DIRECTORY, large: FILE })).toBase64();
  const places = [`--to-raw-output=${root}/raw/out`, `--to-output-prefix=${root}/metadata`];
  const commands = [
    ["download", `--from-remote=${root}/metadata/inputs.pb`, `--to-output-prefix=${root}/metadata`].concat(
      `--to-local-dir=${directory}/in`,
    ),
    ["sidecar", "--start-watcher-type=noop", "--exit-watcher-type=noop", `--interface=${types}`].concat(
      places,
      `--from-local-dir=${directory}/out`,
    ),
  ];
  try {
    for (const [command, ...args] of commands) {
      const outcome = await runCopilot({
        binary,
        endpoint: "",
        args: [command!, ...store, ...args],
        boundMs: BOUND_MS,
      });
      if (outcome.code !== 0) return outcome.stderr;
    }
    return "";
  } finally {
    await redis(server, `ACL DELUSER ${user}`);
    await Deno.remove(directory, { recursive: true });
  }
}

/** As SET with a value that is no text. */
async function putRedis(server: string, key: string, value: Uint8Array): Promise<void> {
  const { hostname, port } = new URL(server);
  using connection = await Deno.connect({ hostname, port: Number(port) });
  const head = `*3\r\n$3\r\nSET\r\n$${key.length}\r\n${key}\r\n$${value.length}\r\n`;
  const encoder = new TextEncoder();
  await connection.write(Uint8Array.from([...encoder.encode(head), ...value, ...encoder.encode("\r\n")]));
  await connection.read(new Uint8Array(64));
}

testWith(
  "policies: redis.acl is enough, and no command of it is for nothing",
  ["binary", "redis"],
  async (has, t) => {
    const rule = redisRule();
    assert.equal(await redisRuns(has.binary, has.redis, rule), "");
    // A database is selected where one is configured.
    const commands = rule.filter((word) => word.startsWith("+") && word !== "+select" && word !== "+auth");
    for (const command of commands) {
      await t.step(`without ${command}`, async () => {
        const stderr = await redisRuns(has.binary, has.redis, rule.filter((word) => word !== command));
        assert.match(stderr, /NOPERM|denied/, command);
      });
    }
  },
);
