/**
 * Hundreds of names and keys that mean to leave the directory, through the whole download: nothing is ever written outside, and
 * what was outside stays as it was.
 * @module
 */
import assert from "assert";
import { CopilotError } from "../../src/errors.ts";
import { download, type DownloadJob } from "../../src/run/download.ts";
import { encodeLiteralMap } from "../../src/flyte/codec/idl.ts";
import type { Literal } from "../../src/flyte/types.ts";
import { MemoryStore } from "../../src/storage/backends/memory/store.ts";
import { Random } from "../faults/random.ts";
import { FixedStores, putAll, recordingLog, sessionOn, temporaryDirectory } from "../support/flows.ts";
import { blob, list, literalMap, map, text, tree } from "../support/plans.ts";

const STEPS = [
  "..",
  ".",
  "",
  "/",
  "...",
  "..\\",
  "..;",
  "%2e%2e",
  "．．",
  "..\0",
  "\0",
  "\\..\\..",
  " ..",
  ".. ",
  "link",
  "dirlink",
  "~",
  "\n..",
  "\u202e..",
];
const TARGETS = [
  "etc/passwd",
  "canary",
  "outside/canary",
  "x",
  "",
  "dirlink/canary",
  ".copilot-tmp",
  ".copilot-tmp/0",
  "inputs.pb",
];

/** Names: every step before every target, then random walks. */
function names(): string[] {
  const random = new Random("traversal");
  const all = new Set<string>();
  for (const step of STEPS) for (const target of TARGETS) all.add(`${step}/${target}`).add(step + target);
  while (all.size < 520) {
    const parts = Array.from({ length: 1 + random.below(5) }, () => random.pick([...STEPS, ...TARGETS]));
    all.add(parts.join(random.pick(["/", "/", "\\", ""])));
  }
  return [...all];
}

const WAYS: Record<
  string,
  (name: string) => { literals: Record<string, Literal>; objects?: Record<string, string> }
> = {
  "name of a value": (name) => ({ literals: { [name]: text("theirs") } }),
  "name of a file": (name) => ({ literals: { [name]: blob("mem://b/o") }, objects: { o: "theirs" } }),
  "key of a map": (name) => ({ literals: { v: map({ [name]: text("theirs") }) } }),
  "key below a prefix": (name) => ({
    literals: { v: tree("mem://b/p") },
    objects: { [`p/${name}`]: "theirs", "p/z": "" },
  }),
  "basename of a URI": (name) => ({
    literals: { v: list(blob(`mem://b/q/${name}`)) },
    objects: { [`q/${name}`]: "theirs" },
  }),
};

for (const [way, make] of Object.entries(WAYS)) {
  Deno.test(`traversal: ${names().length} of them as ${way}: 0 writes outside`, async () => {
    let refused = 0;
    for (const name of names()) {
      using home = temporaryDirectory();
      home.write("canary", "mine");
      home.write("outside/canary", "mine");
      Deno.mkdirSync(home.at("in"));
      Deno.symlinkSync("../outside", home.at("in/dirlink"));
      Deno.symlinkSync("../outside/canary", home.at("in/link"));
      const store = new MemoryStore("mem://b");
      const { literals, objects = {} } = make(name);
      await putAll(store, { "in/inputs.pb": encodeLiteralMap(literalMap(literals)) });
      await putAll(store, objects);
      const job: DownloadJob = {
        from: "mem://b/in/inputs.pb",
        localDir: home.at("in"),
        format: "JSON",
        layout: "NAMED_DIR",
        mode: "DOWNLOAD_EAGER",
        maxMetadataBytes: 0,
      };
      const context = {
        session: sessionOn(),
        stores: new FixedStores({ "mem://b": store }),
        log: recordingLog(),
      };
      try {
        await download(job, { ...context, allow: () => Promise.resolve() });
      } catch (thrown) {
        assert(
          thrown instanceof CopilotError && thrown.code !== "internal",
          `${JSON.stringify(name)}: ${thrown}`,
        );
        refused++;
      }
      Deno.removeSync(home.at("in"), { recursive: true });
      assert.deepEqual(
        home.tree(),
        { canary: "mine", "outside/": null, "outside/canary": "mine" },
        JSON.stringify(name),
      );
    }
    assert(refused > 50, `${refused} were refused`);
  });
}
