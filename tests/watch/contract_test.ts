/** Every registered watcher keeps the promises of src/watch/watcher.ts. */
import { WATCHERS } from "../../src/watch/watchers/mod.ts";
import { holdsContract } from "./contract.ts";
import { SCENES } from "../support/watch_scenes.ts";

for (const name of Object.keys(WATCHERS)) {
  Deno.test(`watcher ${name}`, async (t) => {
    const setting = SCENES[name];
    if (setting === undefined) {
      throw new Error(`tests/support/watch_scenes.ts has no scene for the watcher ${name}`);
    }
    await holdsContract(t, name, setting);
  });
}
