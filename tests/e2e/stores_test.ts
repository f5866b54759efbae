/** The compiled binary on every kind of store, with the command lines that Flyte's plugin writes. */
import assert from "assert";
import { decodeLiteralMap, encode, encodeLiteralMap } from "../../src/flyte/codec/idl.ts";
import type { Blob, Literal } from "../../src/flyte/types.ts";
import { bytesSource } from "../../src/storage/store.ts";
import { MemoryStore } from "../../src/storage/backends/memory/store.ts";
import { type Outcome, runCopilot } from "../faults/copilot.ts";
import { ObjectServer } from "../support/object_server.ts";
import { blob, DIRECTORY, FILE, literalMap, outputs, text, tree } from "../support/plans.ts";
import { MACHINE, testWith } from "./harness.ts";
import { type Access, Container, PLACES, stowFlags } from "./places.ts";

const BOUND_MS = 120_000;
const MANY = 1100;
/** Names of files, each in a directory of a name like it. */
const NAMES = [
  "a b",
  "100%",
  "a%20b",
  "c#d",
  "e?f=g",
  "h+i",
  "j:k",
  "l@m",
  "grüße",
  "日本 😀",
  "it's",
  "[x]{y}",
  "~",
];

const decoder = new TextDecoder();

/** Relative paths of the files below a directory. */
function files(directory: string, below = ""): string[] {
  return [...Deno.readDirSync(`${directory}/${below}`)].flatMap(({ name, isDirectory }) =>
    isDirectory ? files(directory, `${below}${name}/`) : [`${below}${name}`]
  ).sort();
}

function oddPath(name: string): string {
  return `dir ${name}/${name}`;
}

function sorted(names: Iterable<string>): string[] {
  return [...names].sort();
}

async function run(access: Access, args: string[]): Promise<Outcome> {
  const [command, ...flags] = args;
  const outcome = await runCopilot({
    binary: MACHINE.binary!,
    endpoint: "",
    args: [command!, ...stowFlags(access), "--logger.level=5", "--exit-on-error", ...flags],
    env: access.env,
    boundMs: BOUND_MS,
  });
  const said = outcome.stdout + outcome.stderr;
  for (const secret of access.secrets) assert(!said.includes(secret), "a secret in the output");
  return outcome;
}

function succeeded({ code, stderr, hung }: Outcome): void {
  assert(!hung, "the run hangs");
  assert.equal(code, 0, stderr);
}

/** Inputs with odd names, and a directory of several pages. */
async function putInputs(container: Container): Promise<void> {
  for (const name of NAMES) await container.put(`in/odd/${oddPath(name)}`, `odd ${name}`);
  for (let at = 0; at < MANY; at += 50) {
    const some = Array.from({ length: Math.min(50, MANY - at) }, (_, i) => at + i);
    await Promise.all(some.map((i) => container.put(`in/many/${i % 7}/${i}.txt`, `file ${i}`)));
  }
  await container.put("in/one %?#+.csv", "a,b\n");
  const inputs = literalMap({
    name: text("Ada"),
    one: blob(`${container.root}/in/one %?#+.csv`),
    odd: tree(`${container.root}/in/odd`),
    many: tree(`${container.root}/in/many`),
  });
  await container.put("meta/inputs.pb", encodeLiteralMap(inputs));
}

async function downloads(access: Access, container: Container, home: string): Promise<void> {
  await putInputs(container);
  succeeded(
    await run(access, [
      "download",
      `--from-remote=${container.root}/meta/inputs.pb`,
      `--to-output-prefix=${container.root}/meta/d`,
      `--to-local-dir=${home}/in`,
      "--format=JSON",
      "--file-input-layout=DIRECT",
    ]),
  );
  assert.deepEqual(await container.keys("meta/d/"), [], "no error document");
  assert.equal(Deno.readTextFileSync(`${home}/in/name`), "Ada");
  assert.equal(Deno.readTextFileSync(`${home}/in/one`), "a,b\n");
  assert.deepEqual(files(`${home}/in/odd`), sorted(NAMES.map(oddPath)));
  for (const name of NAMES) {
    assert.equal(Deno.readTextFileSync(`${home}/in/odd/${oddPath(name)}`), `odd ${name}`);
  }
  assert.equal(files(`${home}/in/many`).length, MANY);
  for (const i of [0, 6, MANY - 1]) {
    assert.equal(Deno.readTextFileSync(`${home}/in/many/${i % 7}/${i}.txt`), `file ${i}`);
  }
}

function uriOf(literal: Literal | undefined): string {
  const scalar = literal?.value?.case === "scalar" ? literal.value.value.value : undefined;
  assert(scalar?.case === "blob");
  return (scalar.value as Blob).uri;
}

async function uploads(access: Access, container: Container, home: string): Promise<void> {
  const out = `${home}/out`;
  Deno.mkdirSync(out);
  Deno.renameSync(`${home}/in/odd`, `${out}/odd`);
  Deno.renameSync(`${home}/in/many`, `${out}/many`);
  const large = new Uint8Array(40 * 1024 * 1024).map((_, i) => (i * 7919) >> 5);
  Deno.writeFileSync(`${out}/large`, large);
  const types = outputs({ odd: DIRECTORY, many: DIRECTORY, large: FILE });
  succeeded(
    await run(access, [
      "sidecar",
      "--start-watcher-type=noop",
      "--exit-watcher-type=noop",
      "--timeout=1h0m0s",
      `--to-raw-output=${container.root}/raw`,
      `--to-output-prefix=${container.root}/meta/u`,
      `--from-local-dir=${out}`,
      `--interface=${encode("TypedInterface", types).toBase64()}`,
    ]),
  );
  const { literals } = decodeLiteralMap(await container.read("meta/u/outputs.pb"));
  const key = (name: string) => uriOf(literals.get(name)).slice(container.root.length + 1);
  assert.deepEqual(await container.read(key("large")), large);
  assert.equal((await container.keys(`${key("many")}/`)).length, MANY);
  const odd = key("odd");
  assert.deepEqual(
    sorted(await container.keys(`${odd}/`)),
    sorted(NAMES.map((name) => `${odd}/${oddPath(name)}`)),
  );
  for (const name of NAMES) {
    assert.equal(decoder.decode(await container.read(`${odd}/${oddPath(name)}`)), `odd ${name}`);
  }
}

/** What does not exist is told by error.pb in the same store. */
async function failures(access: Access, container: Container, home: string): Promise<void> {
  const { code } = await run(access, [
    "download",
    `--from-remote=${container.root}/no/inputs.pb`,
    `--to-output-prefix=${container.root}/meta/e`,
    `--to-local-dir=${home}/none`,
  ]);
  assert.equal(code, 1);
  assert.deepEqual(await container.keys("meta/e/"), ["meta/e/error.pb"]);
}

/** A container as a prefix of one: redis has no buckets. */
class Below extends Container {
  override readonly root: string;
  readonly #prefix: string;

  constructor(access: Access) {
    super({ ...access, root: access.root.slice(0, access.root.lastIndexOf("/")) });
    this.root = access.root;
    this.#prefix = `${access.root.slice(access.root.lastIndexOf("/") + 1)}/`;
  }

  override put(key: string, text: string | Uint8Array): Promise<void> {
    return super.put(this.#prefix + key, text);
  }

  override read(key: string): Promise<Uint8Array> {
    return super.read(this.#prefix + key);
  }

  override async keys(prefix: string): Promise<string[]> {
    return (await super.keys(this.#prefix + prefix)).map((key) => key.slice(this.#prefix.length));
  }
}

function containerAt(access: Access): Container {
  return access.kind === "redis" ? new Below(access) : new Container(access);
}

async function inDirectory(test: (home: string) => Promise<void>): Promise<void> {
  const home = Deno.makeTempDirSync({ prefix: "copilot-stores-" });
  try {
    await test(home);
  } finally {
    Deno.removeSync(home, { recursive: true });
  }
}

for (const [name, { need, make }] of Object.entries(PLACES)) {
  testWith(`the binary on ${name}`, ["binary", need], (_, t) =>
    inDirectory(async (home) => {
      const access = await make();
      const container = containerAt(access);
      try {
        await t.step("downloads odd names and many files", () => downloads(access, container, home));
        await t.step("uploads them, and a large file", () => uploads(access, container, home));
        await t.step("tells of a failure", () => failures(access, container, home));
      } finally {
        await container.close();
      }
    }));
}

testWith("the binary on http: inputs behind URLs", ["binary"], () =>
  inDirectory(async (home) => {
    const memory = new MemoryStore("mem://behind");
    const server = new ObjectServer(memory);
    const { signal } = new AbortController();
    const put = (key: string, bytes: Uint8Array) => memory.put(key, bytesSource(bytes), { signal });
    try {
      await put("one %.csv", new TextEncoder().encode("a,b\n"));
      const inputs = literalMap({ one: blob(`${server.url}/one%20%25.csv`) });
      await put("inputs.pb", encodeLiteralMap(inputs));
      const access = { root: "", kind: "local", config: {}, env: {}, secrets: [] };
      succeeded(
        await run(access, [
          "download",
          `--from-remote=${server.url}/inputs.pb`,
          `--to-output-prefix=${home}/meta`,
          `--to-local-dir=${home}/in`,
        ]),
      );
      assert.equal(Deno.readTextFileSync(`${home}/in/one`), "a,b\n");
    } finally {
      await server.close();
    }
  }));

/** One run that reads from several stores and writes to another. */
testWith("several stores in one run: storage.schemes and ambient credentials", [
  "binary",
  "versitygw",
  "azure",
  "gcs",
  "redis",
], (_, t) =>
  inDirectory(async (home) => {
    const [s3, azure, gcs, redis] = await Promise.all(
      ["versitygw", "azurite", "fake-gcs-server", "redis"].map((name) => PLACES[name]!.make()),
    ) as [Access, Access, Access, Access];
    const all = [s3, azure, gcs, redis];
    const containers = all.map(containerAt);
    for (const [i, container] of containers.entries()) await container.put("x/it", `from ${all[i]!.kind}`);
    const entries = all.map(({ kind, root }) => [kind, blob(`${root}/x/it`)] as const);
    await containers[0]!.put("inputs.pb", encodeLiteralMap(literalMap(Object.fromEntries(entries))));
    const yaml = `${home}/config.yaml`;
    const scheme = ({ kind, config }: Access) => JSON.stringify({ kind, config });
    Deno.writeTextFileSync(
      yaml,
      `storage:\n  schemes:\n    abfs: ${scheme(azure)}\n    redis: ${scheme(redis)}\n`,
    );
    // gs:// has no settings: its credentials, here none at all, are ambient.
    const access = { ...s3, env: gcs.env, secrets: all.flatMap(({ secrets }) => secrets) };
    const places = { "file://": `file://${home}/meta`, "gs://": `${gcs.root}/meta` };
    for (const [name, prefix] of Object.entries(places)) {
      await t.step(`reads s3, abfs, gs and redis, writes ${name}`, async () => {
        const local = `${home}/in-${name.slice(0, 2)}`;
        succeeded(
          await run(access, [
            "download",
            `--config=${yaml}`,
            `--from-remote=${s3.root}/inputs.pb`,
            `--to-output-prefix=${prefix}`,
            `--to-local-dir=${local}`,
          ]),
        );
        for (const { kind } of all) assert.equal(Deno.readTextFileSync(`${local}/${kind}`), `from ${kind}`);
        succeeded(
          await run(access, [
            "sidecar",
            `--config=${yaml}`,
            "--start-watcher-type=noop",
            "--exit-watcher-type=noop",
            `--to-raw-output=${azure.root}/raw`,
            `--to-output-prefix=${prefix}`,
            `--from-local-dir=${local}`,
            `--interface=${encode("TypedInterface", outputs({ google: FILE })).toBase64()}`,
          ]),
        );
      });
    }
    const fromFile = decodeLiteralMap(Deno.readFileSync(`${home}/meta/outputs.pb`));
    const fromGoogle = decodeLiteralMap(await containers[2]!.read("meta/outputs.pb"));
    for (const { literals } of [fromFile, fromGoogle]) {
      const uri = uriOf(literals.get("google"));
      assert(uri.startsWith(`${azure.root}/raw/`), uri);
      assert.equal(
        decoder.decode(await containers[1]!.read(uri.slice(azure.root.length + 1))),
        "from google",
      );
    }
    for (const container of containers) await container.close();
  }));
