/** The registry: what a URI and its settings open, and what is refused. */
import assert from "assert";
import type { BackendContext } from "../../../src/storage/backend.ts";
import { BACKENDS, openStore } from "../../../src/storage/backends/mod.ts";
import { KINDS, Secret, type StoreSettings } from "../../../src/config/mod.ts";
import { CopilotError } from "../../../src/errors.ts";
import { parseUri } from "../../../src/storage/uri.ts";
import { sys } from "../../../src/system/deno.ts";

const { signal } = new AbortController();
const CONTEXT: BackendContext = { system: sys, env: {}, caCerts: [], allow: () => Promise.resolve(), signal };

function settings(kind: string): StoreSettings {
  const values = { path: "/data", access_key_id: "testkey", auth_type: "accesskey", region: "us-east-1" };
  return { kind, values, secrets: { secret_key: new Secret("testsecret") } };
}

Deno.test("backends: every kind has one, and no scheme two kinds", () => {
  const kinds = Object.values(BACKENDS).flatMap((entry) => entry.kinds);
  assert.deepEqual([...kinds].sort(), Object.keys(KINDS).sort());
  const schemes = Object.values(KINDS).flatMap((kind) => kind.schemes);
  assert.equal(new Set(schemes).size, schemes.length);
});

/** A URI, the kind of its settings, and the root of the store that is opened. */
const OPENED: [uri: string, kind: string, root: string][] = [
  ["s3://b/k", "s3", "s3://b"],
  ["s3://b/k", "", "s3://b"],
  ["s3://b/k", "local", "s3://b"],
  ["s3a://b/k", "s3", "s3a://b"],
  ["s3n://b/k", "s3", "s3n://b"],
  ["gs://b/k", "local", "gs://b"],
  ["gs://b/k", "mem", "gs://b"],
  ["mem://b/k", "", "mem://b"],
  ["file:///a/b", "s3", "file:/"],
  ["/a/b", "local", "file:/"],
  ["a/b", "", "file:/"],
  ["http://h/a", "local", "http://h"],
  ["https://h:1/a", "s3", "https://h:1"],
];

for (const [uri, kind, root] of OPENED) {
  Deno.test(`backends: ${uri} with settings of kind "${kind}"`, async () => {
    const store = await openStore(parseUri(uri, "it"), settings(kind), CONTEXT);
    assert.equal(store.root, root);
    store.close();
  });
}

Deno.test("backends: a scheme without backend is refused by name, with what there is", async () => {
  for (const scheme of ["ftp", "gsx", "s4"]) {
    await assert.rejects(openStore(parseUri(`${scheme}://b/k`, "it"), settings("s3"), CONTEXT), (error) => {
      assert(error instanceof CopilotError);
      assert.deepEqual([error.code, error.object], ["unsupported", `${scheme}://b/k`]);
      assert(error.message.includes(`"${scheme}"`) && error.message.includes("s3"), error.message);
      return true;
    });
  }
});

Deno.test("backends: containers in memory belong to their run", async () => {
  const open = (context: BackendContext) => openStore(parseUri("mem://b/", "it"), settings("mem"), context);
  assert.equal(await open(CONTEXT), await open(CONTEXT));
  assert.notEqual(await open(CONTEXT), await open({ ...CONTEXT, system: { ...sys } }));
});
