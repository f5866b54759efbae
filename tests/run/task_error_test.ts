import assert from "assert";
import { ErrorKind, ErrorOrigin } from "../../src/flyte/types.ts";
import { taskFailure } from "../../src/run/task_error.ts";
import { sys } from "../../src/system/deno.ts";
import { codeIs } from "../support/errors.ts";
import { MIB, temporaryDirectory } from "../support/flows.ts";

Deno.test("_ERROR: without one the task has declared nothing, nor where there is no directory at all", () => {
  using dir = temporaryDirectory();
  dir.write("error", "no");
  assert.equal(taskFailure(sys.files, dir.path), null);
  assert.equal(taskFailure(sys.files, dir.at("missing")), null);
});

Deno.test("_ERROR: a text is the user's own failure, to be tried again", () => {
  using dir = temporaryDirectory();
  dir.write("_ERROR", "it broke");
  assert.deepEqual(taskFailure(sys.files, dir.path), {
    message: "User Error: it broke",
    kind: ErrorKind.RECOVERABLE,
    origin: ErrorOrigin.USER,
  });
});

Deno.test("_ERROR: a document says code and kind", () => {
  using dir = temporaryDirectory();
  dir.write("_ERROR", JSON.stringify({ message: "no", code: "Mine", kind: "NON_RECOVERABLE" }));
  const { code, kind } = taskFailure(sys.files, dir.path)!;
  assert.deepEqual([code, kind], ["Mine", ErrorKind.NON_RECOVERABLE]);
});

Deno.test("_ERROR: one of 1 MiB is read, a larger one is an error that says so", () => {
  using dir = temporaryDirectory();
  dir.write("_ERROR", "x".repeat(MIB));
  assert.equal(taskFailure(sys.files, dir.path)?.message.length, "User Error: ".length + MIB);
  dir.write("_ERROR", "x".repeat(MIB + 1));
  assert.throws(() => taskFailure(sys.files, dir.path), codeIs("task", "too large", String(MIB + 1)));
});

for (
  const [what, make] of [
    ["a directory", (path: string) => Deno.mkdirSync(path)],
    ["a FIFO", (path: string) => void new Deno.Command("mkfifo", { args: [path] }).outputSync()],
    ["a symlink to outside", (path: string) => Deno.symlinkSync("/etc/passwd", path)],
  ] as const
) {
  Deno.test(`_ERROR: ${what} is an error, and not read`, () => {
    using dir = temporaryDirectory();
    make(dir.at("_ERROR"));
    assert.throws(() => taskFailure(sys.files, dir.path), codeIs("task", "_ERROR"));
  });
}
