/** What a command's end means. */
import assert from "assert";
import { ErrorKind, ErrorOrigin } from "../../src/flyte/types.ts";
import type { ChildEnd, SignalName } from "../../src/system/mod.ts";
import { endingOf, notStarted } from "../../src/task/ending.ts";

interface Case {
  name: string;
  end: { code: number; signal?: string; passedOn?: SignalName[] };
  oomKills?: number;
  status: number;
  /** Code, origin and what the message must hold; null where nothing failed. */
  failure: [string, number, RegExp] | null;
}

const CASES: Case[] = [
  { name: "status 0", end: { code: 0 }, status: 0, failure: null },
  {
    name: "status 0 after a signal that it has handled",
    end: { code: 0, passedOn: ["SIGTERM"] },
    status: 0,
    failure: null,
  },
  {
    name: "status 7",
    end: { code: 7 },
    status: 7,
    failure: ["CommandFailed", ErrorOrigin.USER, /"python" exited with status 7$/],
  },
  {
    name: "a fault of its own",
    end: { code: 139, signal: "SIGSEGV" },
    status: 139,
    failure: ["CommandFailed", ErrorOrigin.USER, /ended by SIGSEGV, exit status 139$/],
  },
  {
    name: "killed for memory",
    end: { code: 137, signal: "SIGKILL" },
    oomKills: 1,
    status: 137,
    failure: ["OOMKilled", ErrorOrigin.USER, /for memory, the limit is 1048576 bytes$/],
  },
  {
    name: "a shell whose child was killed for memory",
    end: { code: 137 },
    oomKills: 1,
    status: 137,
    failure: ["OOMKilled", ErrorOrigin.USER, /for memory/],
  },
  {
    name: "killed, but not for memory",
    end: { code: 137, signal: "SIGKILL" },
    status: 137,
    failure: ["CommandFailed", ErrorOrigin.USER, /SIGKILL/],
  },
  {
    name: "its own failure beside a kill",
    end: { code: 1 },
    oomKills: 2,
    status: 1,
    failure: ["CommandFailed", ErrorOrigin.USER, /killed 2 of its processes for memory meanwhile$/],
  },
  {
    name: "ended by a signal that was passed on",
    end: { code: 143, signal: "SIGTERM", passedOn: ["SIGTERM"] },
    status: 143,
    failure: ["CommandInterrupted", ErrorOrigin.SYSTEM, /copilot was sent SIGTERM/],
  },
  {
    name: "a shell that ends as its child did",
    end: { code: 143, passedOn: ["SIGTERM"] },
    status: 143,
    failure: ["CommandInterrupted", ErrorOrigin.SYSTEM, /SIGTERM/],
  },
  {
    name: "ended by another signal than the one that was passed on",
    end: { code: 134, signal: "SIGABRT", passedOn: ["SIGHUP"] },
    status: 134,
    failure: ["CommandFailed", ErrorOrigin.USER, /SIGABRT/],
  },
];

for (const { name, end, oomKills = 0, status, failure } of CASES) {
  Deno.test(`ending of a command: ${name}`, () => {
    const full: ChildEnd = { signal: null, ...end, passedOn: new Set(end.passedOn) };
    const ending = endingOf(full, { program: "python", oomKills, memoryLimitBytes: 1048576 });
    assert.equal(ending.status, status);
    if (failure === null) return assert.equal(ending.failure, null);
    const [code, origin, message] = failure;
    assert.deepEqual([ending.failure!.code, ending.failure!.origin], [code, origin]);
    assert.equal(ending.failure!.kind, ErrorKind.RECOVERABLE);
    assert.match(ending.failure!.message, message);
  });
}

Deno.test("ending of a command that never began: 127 where it is missing, else 126; no retry helps", () => {
  for (const [code, status] of [["not-found", 127], ["denied", 126], ["io", 126]] as const) {
    const ending = notStarted({ code, message: "Cannot start it" });
    assert.equal(ending.status, status);
    assert.equal(ending.failure!.kind, ErrorKind.NON_RECOVERABLE);
  }
});
