/**
 * The promises of src/watch/watcher.ts, one step each, held by every watcher.
 * @module
 */
import assert from "assert";
import { CopilotError } from "../../src/errors.ts";
import type { Exit, Watcher } from "../../src/watch/watcher.ts";
import { WATCHERS } from "../../src/watch/watchers/mod.ts";
import type { Scene, SceneSetting } from "../support/watch_scenes.ts";

/** Whether a wait is over, and how. */
interface Wait<T> {
  state: "pending" | "resolved" | "rejected";
  value?: T;
  error?: unknown;
  over: Promise<unknown>;
}

function watchOver<T>(promise: Promise<T>): Wait<T> {
  const wait: Wait<T> = {
    state: "pending",
    over: promise.then(
      (value) => Object.assign(wait, { state: "resolved", value }),
      (error) => Object.assign(wait, { state: "rejected", error }),
    ),
  };
  return wait;
}

function assertAborted<T>(wait: Wait<T>): void {
  assert.equal(wait.state, "rejected");
  assert(wait.error instanceof CopilotError && wait.error.code === "aborted", String(wait.error));
}

type Clause = (
  world: { scene: Scene; watcher: Watcher; traits: SceneSetting; name: string },
) => Promise<void>;

const never = () => new AbortController().signal;

async function bothCancelled(watcher: Watcher, scene: Scene, traits: SceneSetting): Promise<void> {
  const controller = new AbortController();
  const start = watchOver(watcher.waitForStart(controller.signal));
  const exit = watchOver(watcher.waitForExit(controller.signal));
  await scene.pass();
  controller.abort();
  await Promise.all([start.over, exit.over]);
  if (!traits.assumesStart) assertAborted(start);
  if (!traits.assumesEnd) assertAborted(exit);
}

const CLAUSES: Readonly<Record<string, Clause>> = {
  "it has the name under which it is registered": ({ watcher, name }) => {
    assert.equal(watcher.name, name);
    return Promise.resolve();
  },

  "nothing has started or ended before main ran": async ({ scene, watcher, traits }) => {
    const controller = new AbortController();
    const start = watchOver(watcher.waitForStart(controller.signal));
    const exit = watchOver(watcher.waitForExit(controller.signal));
    await scene.pass();
    assert.equal(start.state, traits.assumesStart ? "resolved" : "pending");
    assert.equal(exit.state, traits.assumesEnd ? "resolved" : "pending");
    controller.abort();
    await Promise.all([start.over, exit.over]);
  },

  "a start is seen, and is no end": async ({ scene, watcher, traits }) => {
    const controller = new AbortController();
    const start = watchOver(watcher.waitForStart(controller.signal));
    const exit = watchOver(watcher.waitForExit(controller.signal));
    await scene.pass();
    scene.start();
    await scene.pass();
    await start.over;
    assert.equal(start.state, "resolved", String(start.error));
    assert.equal(exit.state, traits.assumesEnd ? "resolved" : "pending");
    controller.abort();
    await exit.over;
  },

  "an end is seen, and who saw it": async ({ scene, watcher, traits, name }) => {
    const exit = watchOver(watcher.waitForExit(never()));
    await scene.pass();
    scene.start();
    await scene.pass();
    scene.end();
    await scene.pass();
    await exit.over;
    assert.equal(exit.state, "resolved", String(exit.error));
    const { outcome, by } = exit.value as Exit;
    assert.deepEqual({ outcome, by }, { outcome: "ended", by: traits.sees ?? name });
  },

  "a wait for the start, then one for the end, and the end again": async ({ scene, watcher }) => {
    const start = watchOver(watcher.waitForStart(never()));
    await scene.pass();
    scene.start();
    await scene.pass();
    await start.over;
    scene.end();
    const exit = watchOver(watcher.waitForExit(never()));
    await scene.pass();
    await exit.over;
    assert.equal(exit.state, "resolved", String(exit.error));
    assert.deepEqual(await watcher.waitForExit(never()), exit.value);
  },

  "a main that is over is known to have started": async ({ scene, watcher }) => {
    const exit = watchOver(watcher.waitForExit(never()));
    await scene.pass();
    scene.start();
    await scene.pass();
    scene.end();
    await scene.pass();
    await exit.over;
    await watcher.waitForStart(never());
  },

  "a cancelled wait is aborted": ({ scene, watcher, traits }) => bothCancelled(watcher, scene, traits),

  "a wait that is cancelled before it begins is aborted": async ({ watcher }) => {
    const start = watchOver(watcher.waitForStart(AbortSignal.abort()));
    const exit = watchOver(watcher.waitForExit(AbortSignal.abort()));
    await Promise.all([start.over, exit.over]);
    assertAborted(start);
    assertAborted(exit);
  },

  "after a cancelled wait another one sees the end": async ({ scene, watcher, traits }) => {
    await bothCancelled(watcher, scene, traits);
    const exit = watchOver(watcher.waitForExit(never()));
    scene.start();
    await scene.pass();
    scene.end();
    await scene.pass();
    await exit.over;
    assert.equal(exit.state, "resolved", String(exit.error));
  },

  "cancelled waits leave no timer": async ({ scene, watcher, traits }) => {
    await bothCancelled(watcher, scene, traits);
    assert.equal(scene.timers(), 0);
  },

  "close cancels waits and is idempotent": async ({ scene, watcher, traits }) => {
    const start = watchOver(watcher.waitForStart(never()));
    const exit = watchOver(watcher.waitForExit(never()));
    await scene.pass();
    watcher.close();
    watcher.close();
    await Promise.all([start.over, exit.over]);
    if (!traits.assumesStart) assertAborted(start);
    if (!traits.assumesEnd) assertAborted(exit);
    assertAborted(await closedWait(watcher));
    assert.equal(scene.timers(), 0);
  },

  "it describes what it has seen at every stage": async ({ scene, watcher }) => {
    const said = [watcher.describe()];
    const exit = watchOver(watcher.waitForExit(never()));
    for (const act of [() => {}, () => scene.start(), () => scene.end()]) {
      act();
      await scene.pass();
      said.push(watcher.describe());
    }
    await exit.over;
    for (const text of said) {
      assert(text.length > 10 && !text.includes("undefined") && !/[.\n]$/.test(text), text);
    }
  },
};

async function closedWait(watcher: Watcher): Promise<Wait<void>> {
  const wait = watchOver(watcher.waitForStart(never()));
  await wait.over;
  return wait;
}

/** Runs every clause on one watcher, each in a scene of its own. */
export async function holdsContract(t: Deno.TestContext, name: string, setting: SceneSetting): Promise<void> {
  for (const [clause, holds] of Object.entries(CLAUSES)) {
    await t.step(clause, async () => {
      const scene = await setting.set();
      const watcher = await (await WATCHERS[name]!()).open(scene.context);
      try {
        await holds({ scene, watcher, traits: setting, name });
      } finally {
        watcher.close();
        await scene.close();
      }
    });
  }
}
