import assert from "assert";
import { encodeLiteralMap } from "../../src/flyte/codec/idl.ts";
import { inspect, type InspectCommand, type InspectContext } from "../../src/run/inspect.ts";
import { CopilotError } from "../../src/errors.ts";
import { storeSettings } from "../../src/config/mod.ts";
import { sys } from "../../src/system/deno.ts";
import { codeIs } from "../support/errors.ts";
import { FakeClock, settle } from "../support/fakes.ts";
import { temporaryDirectory } from "../support/flows.ts";
import { blob, integer, literalMap, tree } from "../support/plans.ts";

function command(documents: string[], change: Partial<InspectCommand> = {}): InspectCommand {
  const settings = { endpoint: "http://127.0.0.1:9", access_key_id: "a", secret_key: "s" };
  return {
    kind: "inspect",
    documents,
    diff: false,
    sizes: false,
    output: "table",
    documentKind: undefined,
    storage: { type: "stow", maxDownloadBytes: 0, primary: storeSettings("s3", settings), schemes: {} },
    log: { level: 0, format: "json" },
    exitOnError: false,
    memoryLimitBytes: undefined,
    telemetry: undefined,
    warnings: [],
    ...change,
  };
}

function context(change: Partial<InspectContext> = {}): InspectContext {
  return { system: sys, env: {}, caCerts: [], warn: () => {}, allow: () => Promise.resolve(), ...change };
}

async function shown(
  documents: string[],
  change: Partial<InspectCommand> = {},
  around = context(),
): Promise<string> {
  const sources = documents.map((name) => ({ name }));
  const { text, status } = await inspect(command(documents, change), sources, around);
  assert.equal(status, 0);
  return text;
}

Deno.test("inspect: a store that says nothing is given up after ten seconds, by name", async () => {
  const clock = new FakeClock();
  const network = { ...sys.network, connect: () => new Promise<never>(() => {}) };
  const told = shown(["s3://b/outputs.pb"], {}, context({ system: { ...sys, clock, network } }));
  const refused = assert.rejects(
    told,
    codeIs("deadline", '"s3://b/outputs.pb": the store has not answered within 10 s'),
  );
  let isOver = false;
  refused.finally(() => isOver = true);
  for (let second = 0; second < 60 && !isOver; second++) {
    await settle();
    // Code of the store is loaded in between.
    await new Promise((resolve) => setTimeout(resolve, 0));
    if (clock.waiting > 0) await clock.advance(1_000);
  }
  await refused;
  assert(clock.monotonicMs() <= 15_000, `${clock.monotonicMs()} ms`);
});

Deno.test("inspect: a directory, with or without a slash, shows the documents in it and nothing else", async () => {
  using dir = temporaryDirectory();
  dir.write("run/outputs.pb", encodeLiteralMap(literalMap({ n: integer(2) })));
  dir.write("run/inputs.pb", encodeLiteralMap(literalMap({ n: integer(1) })));
  dir.write("run/other", "x");
  const wanted =
    "inputs.pb\nINPUT  TYPE     VALUE\nn      integer  1\n\noutputs.pb\nOUTPUT  TYPE     VALUE\nn       integer  2\n";
  for (const name of [dir.at("run"), `${dir.at("run")}/`, `file://${dir.at("run")}`]) {
    assert.equal(await shown([name]), wanted, name);
  }
  await assert.rejects(
    shown([dir.at("nowhere")]),
    codeIs("not-found", "no inputs.pb, outputs.pb, error.pb below it"),
  );
  await assert.rejects(shown([dir.at("run/error.pb")]), codeIs("not-found", "error.pb"));
});

Deno.test("inspect --sizes: asks for the places that the document names, and counts what is there", async () => {
  using dir = temporaryDirectory();
  dir.write("data/f", "12345");
  dir.write("data/d/a", "1");
  dir.write("data/d/deep/b", "22");
  const literals = { f: blob(dir.at("data/f")), d: tree(dir.at("data/d")), gone: blob(dir.at("data/gone")) };
  dir.write("inputs.pb", encodeLiteralMap(literalMap(literals)));
  const asked: string[][] = [];
  const allow = (uris: readonly string[]) => Promise.resolve(void asked.push([...uris]));
  const text = await shown([dir.at("inputs.pb")], { sizes: true, output: "json" }, context({ allow }));
  assert.deepEqual(JSON.parse(text).sizes, {
    [dir.at("data/f")]: { objects: 1, bytes: 5 },
    [dir.at("data/d")]: { objects: 2, bytes: 3 },
    [dir.at("data/gone")]: null,
  });
  assert.deepEqual(asked.at(-1)!.sort(), Object.keys(JSON.parse(text).sizes).sort());
});

Deno.test("inspect --sizes: a place that may not be looked at fails it, and nothing there is counted", async () => {
  using dir = temporaryDirectory();
  dir.write("inputs.pb", encodeLiteralMap(literalMap({ f: blob("http://169.254.169.254/x") })));
  const refused = new CopilotError("denied", "not there");
  const allow = (uris: readonly string[]) =>
    uris.includes(dir.at("inputs.pb")) ? Promise.resolve() : Promise.reject(refused);
  await assert.rejects(
    shown([dir.at("inputs.pb")], { sizes: true }, context({ allow })),
    codeIs("denied", "not there"),
  );
  assert.match(await shown([dir.at("inputs.pb")], {}, context({ allow })), /169\.254/);
});

Deno.test("inspect: the only document of a directory stands below its name, one by itself does not", async () => {
  using dir = temporaryDirectory();
  dir.write("outputs.pb", encodeLiteralMap(literalMap({ n: integer(2) })));
  const table = "OUTPUT  TYPE     VALUE\nn       integer  2\n";
  assert.equal(await shown([dir.at("")]), `outputs.pb\n${table}`);
  assert.equal(await shown([dir.at("outputs.pb")]), table);
});

Deno.test("inspect --diff: directories are compared document by document", async () => {
  using dir = temporaryDirectory();
  const document = (value: number) => encodeLiteralMap(literalMap({ n: integer(value) }));
  dir.write("a/inputs.pb", document(1));
  dir.write("a/outputs.pb", document(1));
  dir.write("b/inputs.pb", document(1));
  dir.write("b/outputs.pb", document(2));
  const compared = async (a: string, b: string) =>
    await inspect(command([a, b], { diff: true }), [{ name: a }, { name: b }], context());
  assert.deepEqual(await compared(dir.at("a"), dir.at("a")), { text: "", status: 0 });
  const { text, status } = await compared(dir.at("a"), dir.at("b"));
  assert.equal(status, 1);
  assert.equal(text.trimEnd().split("\n").length, 2, text);
  const missing = await compared(dir.at("a"), dir.at("b/inputs.pb"));
  assert.equal(missing.status, 1);
  assert.match(missing.text, /^outputs\.pb +"literals" +absent$/m);
});
