/** The mark of a finished upload: it belongs to one pod and one place, and is never looked for behind a symlink. */
import assert from "assert";
import { sys } from "../../src/system/deno.ts";
import { hasMark, leaveMark } from "../../src/watch/upload_mark.ts";
import { KeptLog } from "../support/watch_fakes.ts";

Deno.test("mark: it holds for the same pod and place, once it was left", () => {
  const localDir = Deno.makeTempDirSync();
  try {
    const mark = { stage: "declared" as const, localDir, outputs: "s3://b/out/outputs.pb", pod: "p-0" };
    assert(!hasMark(sys.files, mark));
    const log = new KeptLog();
    leaveMark(sys.files, { ...mark, pod: "an earlier one" }, log);
    assert(!hasMark(sys.files, mark));
    leaveMark(sys.files, mark, log);
    leaveMark(sys.files, mark, log);
    assert(hasMark(sys.files, mark));
    assert(!hasMark(sys.files, { ...mark, outputs: "s3://b/other/outputs.pb" }));
    assert.deepEqual(log.lines, []);
  } finally {
    Deno.removeSync(localDir, { recursive: true });
  }
});

Deno.test("mark: an upload that was begun is told from one that was declared", () => {
  const localDir = Deno.makeTempDirSync();
  try {
    const begun = { stage: "begun" as const, localDir, outputs: "s3://b/out/outputs.pb", pod: "p-0" };
    leaveMark(sys.files, begun, new KeptLog());
    assert(hasMark(sys.files, begun));
    assert(!hasMark(sys.files, { ...begun, stage: "declared" }));
  } finally {
    Deno.removeSync(localDir, { recursive: true });
  }
});

Deno.test("mark: a symlink in its place is neither believed nor written through, a directory is logged", () => {
  const localDir = Deno.makeTempDirSync();
  try {
    const mark = { stage: "declared" as const, localDir, outputs: "s3://b/out/outputs.pb", pod: "p-0" };
    const log = new KeptLog();
    leaveMark(sys.files, mark, log);
    Deno.renameSync(`${localDir}/.copilot-uploaded`, `${localDir}/elsewhere`);
    Deno.symlinkSync("elsewhere", `${localDir}/.copilot-uploaded`);
    assert(!hasMark(sys.files, mark));
    leaveMark(sys.files, { ...mark, pod: "p-1" }, log);
    assert(hasMark(sys.files, { ...mark, pod: "p-1" }));
    assert.match(Deno.readTextFileSync(`${localDir}/elsewhere`), /p-0/);
    Deno.removeSync(`${localDir}/.copilot-uploaded`);
    Deno.mkdirSync(`${localDir}/.copilot-uploaded/x`, { recursive: true });
    leaveMark(sys.files, mark, log);
    assert(!hasMark(sys.files, mark));
    assert.equal(log.lines.length, 1);
  } finally {
    Deno.removeSync(localDir, { recursive: true });
  }
});
