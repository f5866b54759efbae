/** How main ended, from the kernel's signs. */
import assert from "assert";
import { type EndSigns, exitOf } from "../../../src/watch/proc/ending.ts";

const LIMIT = 64 * 1024 * 1024;

const CASES: [name: string, signs: Partial<EndSigns>, expected: Record<string, unknown>, message: RegExp][] =
  [
    ["nothing is known", {}, { outcome: "ended" }, /^Container C has ended$/],
    ["exit code 0", { waitStatus: 0 }, { outcome: "ended", exitCode: 0, reason: "Completed" }, /has ended$/],
    ["exit code 3", { waitStatus: 3 << 8 }, { outcome: "failed", exitCode: 3, reason: "Error" }, /C failed$/],
    [
      "exit code 255",
      { waitStatus: 0xff00 },
      { outcome: "failed", exitCode: 255, reason: "Error" },
      /failed$/,
    ],
    [
      "SIGTERM",
      { waitStatus: 15 },
      { outcome: "failed", exitCode: 143, reason: "Error" },
      /killed by signal 15$/,
    ],
    [
      "SIGKILL",
      { waitStatus: 9 },
      { outcome: "failed", exitCode: 137, reason: "Error" },
      /signal 9, .*out of memory/,
    ],
    [
      "a core dump",
      { waitStatus: 0x8b },
      { outcome: "failed", exitCode: 139, reason: "Error" },
      /signal 11$/,
    ],
    [
      "out of memory",
      { waitStatus: 9, outOfMemory: true, limitBytes: LIMIT },
      { outcome: "failed", exitCode: 137, reason: "OOMKilled" },
      /out of memory, memory limit 67108864 bytes$/,
    ],
    [
      "out of memory, no code",
      { outOfMemory: true },
      { outcome: "failed", reason: "OOMKilled" },
      /out of memory$/,
    ],
    [
      "a child was out of memory, main failed of it",
      { waitStatus: 1 << 8, outOfMemory: true },
      { outcome: "failed", exitCode: 1, reason: "OOMKilled" },
      /out of memory$/,
    ],
    [
      "a child was out of memory, main went on",
      { waitStatus: 0, outOfMemory: true },
      { outcome: "ended", exitCode: 0, reason: "Completed" },
      /has ended$/,
    ],
  ];

for (const [name, signs, expected, message] of CASES) {
  Deno.test(`main's end: ${name}`, () => {
    const { message: text, ...rest } = exitOf("C", {
      waitStatus: null,
      outOfMemory: false,
      limitBytes: null,
      ...signs,
    });
    assert.deepEqual(rest, expected);
    assert.match(text!, message);
  });
}
