/**
 * Ranges, conditions and resumption over http against a server that replaces its object meanwhile, breaks off, and understands as
 * little of conditions and ranges as chance will have it: what arrives is one version whole, or an error. Never a mix.
 * @module
 */
import assert from "assert";
import { Buffer } from "node:buffer";
import type { CopilotError } from "../../src/errors.ts";
import { Stores } from "../../src/storage/stores.ts";
import { sys } from "../../src/system/deno.ts";
import { getFile } from "../../src/transfer/get.ts";
import { Staging } from "../../src/transfer/staging.ts";
import { memoryConfig, sessionOn, signal, temporaryDirectory } from "../support/flows.ts";
import { bytesOf, type Model, ModelServer } from "../support/model_server.ts";
import { fuzz } from "./target.ts";

/** What a run of the file left: one of the versions, whole. */
function assertOneVersion(found: Uint8Array, { sizes }: Model, what: string): void {
  const isVersion = sizes.some((size, version) => Buffer.compare(found, bytesOf(version, size)) === 0);
  assert(isVersion, `${found.length} bytes of no version: ${what}`);
}

fuzz("an http object that is replaced while it is read", async (random) => {
  const server = new ModelServer(random);
  using directory = temporaryDirectory();
  const stores = new Stores({
    config: memoryConfig(),
    context: { system: sys, env: {}, caCerts: [], allow: () => Promise.resolve() },
    warn: () => {},
    retry: {
      // A wait between two attempts would change nothing but the time that the test takes.
      clock: { monotonicMs: sys.clock.monotonicMs, sleep: () => Promise.resolve() },
      random: () => 0,
      deadlineMs: Infinity,
      attempts: 6,
    },
  });
  const what = JSON.stringify(server.model);
  try {
    const session = sessionOn();
    const staging = new Staging(session.system, directory.path);
    const { store, key } = await stores.at(`${server.url}/k`, "it");
    const path = directory.at("k");
    const getting = stores.whole(
      { store, key },
      signal,
      (verification) => getFile(session, store, key, { staging, path, verification }),
    );
    const failure = await getting.then(() => null, (error: CopilotError) => error);
    if (failure === null) assertOneVersion(Deno.readFileSync(path), server.model, what);
    else {
      // Faultless servers give their object.
      assert(server.model.broken > 0 || server.model.replaced > 0, `${failure.message}: ${what}`);
      throw failure;
    }
  } finally {
    await stores.close();
    await server.close();
  }
});

Deno.test("the model server's versions differ in every byte", () => {
  const [a, b] = [bytesOf(0, 1000), bytesOf(1, 1000)];
  assert(a.every((byte, at) => byte !== b[at]));
});
