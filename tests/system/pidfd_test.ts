/** Real processes through the kernel's handles. What an older kernel does not tell is null, and is asserted as that. */
import assert from "assert";
import { sys } from "../../src/system/deno.ts";
import { tellsExitCodes } from "../pods/pod.ts";

/** Starts a shell and does not wait for it. */
function shell(script: string): Deno.ChildProcess {
  return new Deno.Command("sh", { args: ["-c", script], stdin: "piped", stdout: "null" }).spawn();
}

const ENDS: [name: string, script: string, status: number][] = [
  ["0", "read line; exit 0", 0],
  ["an exit code", "read line; exit 3", 3 << 8],
  ["a signal", "read line; kill -9 $$", 9],
];

for (const [name, script, status] of ENDS) {
  Deno.test(`a process of somebody else's: its end is told, and how: ${name}`, async () => {
    const child = shell(script);
    const handle = await sys.openProcess(child.pid);
    assert(handle !== null);
    assert.equal(await handle.waitStatus(), tellsExitCodes() ? "pending" : null);
    const ended = handle.ended();
    await child.stdin.close();
    assert.equal(await ended, true);
    await child.status;
    assert.equal(await handle.waitStatus(), tellsExitCodes() ? status : null);
    handle.close();
    handle.close();
    assert.equal(await handle.waitStatus(), null);
    assert.equal(await handle.ended(), false);
    // A descriptor is closed on a thread of its own.
    await new Promise((wake) => setTimeout(wake, 50));
  });
}

Deno.test("a process that is gone cannot be held", async () => {
  const child = shell("exit 0");
  await child.stdin.close();
  await child.status;
  assert.equal(await sys.openProcess(child.pid), null);
});

Deno.test("a wait does not hold the program up: what lets the process end can still run", async () => {
  const child = shell("read line");
  const handle = await sys.openProcess(child.pid);
  assert(handle !== null);
  const ended = handle.ended();
  // Were the wait to block this thread, the timer would never fire and the process never end.
  setTimeout(() => child.stdin.close(), 0);
  assert.equal(await ended, true);
  await child.status;
  handle.close();
  await new Promise((wake) => setTimeout(wake, 50));
});
