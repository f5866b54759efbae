import assert from "assert";
import { Stores } from "../../src/storage/stores.ts";
import { sys } from "../../src/system/deno.ts";
import { memoryConfig } from "../support/flows.ts";

Deno.test("stores: a store is told of once, when it is opened", async () => {
  const opened: string[] = [];
  const stores = new Stores({
    config: memoryConfig(),
    context: { system: sys, env: {}, caCerts: [], allow: () => Promise.resolve() },
    onOpen: ({ root }) => opened.push(root),
    warn: assert.fail,
    retry: { clock: sys.clock, random: () => 0, deadlineMs: Infinity },
  });
  await Promise.all([stores.at("mem://b/one", "x"), stores.at("mem://b/two", "x")]);
  await stores.at("mem://c/three", "x");
  assert.deepEqual(opened, ["mem://b", "mem://c"]);
  await stores.close();
});
