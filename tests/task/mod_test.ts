/** `copilot run` as a flow: what follows what, and that nothing ends without an error document. */
import assert from "assert";
import type { TaskCommand } from "../../src/cli/mod.ts";
import { CopilotError } from "../../src/errors.ts";
import { sys } from "../../src/system/deno.ts";
import type { ChildEnd } from "../../src/system/mod.ts";
import { runTask, type TaskContext } from "../../src/task/mod.ts";
import { SigtermCounter } from "../../src/watch/sigterm_counter.ts";
import { downloadCommand, recordingLog, sidecarCommand, temporaryDirectory } from "../support/flows.ts";

interface Setup extends Disposable {
  /** What has happened, in its order. */
  steps: string[];
  command: TaskCommand;
  terminations: SigtermCounter;
  context: TaskContext;
}

function setUp(change: Partial<TaskContext> = {}, end: Partial<ChildEnd> = {}): Setup {
  const dir = temporaryDirectory();
  const steps: string[] = [];
  const terminations = new SigtermCounter();
  const step = (name: string, status = 0) => {
    steps.push(name);
    return Promise.resolve(status);
  };
  const upload = sidecarCommand(dir.at("outputs"));
  const command: TaskCommand = {
    ...upload,
    kind: "run",
    download: downloadCommand(dir.at("inputs")),
    upload,
    program: { argv: ["program", "secret-argument"], env: {}, cwd: undefined },
  };
  const context: TaskContext = {
    system: sys,
    log: recordingLog(),
    terminations,
    download: () => step("download"),
    upload: () => step("upload"),
    report: (_, { code }) => step(`report ${code}`, 1),
    launcher: {
      start() {
        steps.push("start");
        const passedOn: ChildEnd["passedOn"] = new Set();
        return { pid: 7, ended: Promise.resolve({ code: 0, signal: null, passedOn, ...end }) };
      },
      close() {},
    },
    print: (text) => void steps.push(text.trim()),
    openReaper: () => null,
    dropRights: () => void steps.push("drop"),
    ...change,
  };
  return { steps, command, terminations, context, [Symbol.dispose]: () => dir[Symbol.dispose]() };
}

Deno.test("task: rights are dropped as soon as the command has started, before anything goes up", async () => {
  using setup = setUp();
  assert.equal(await runTask(setup.command, setup.context), 0);
  assert.deepEqual(setup.steps, ["download", "start", "drop", "upload"]);
});

Deno.test("task: a command that fails is reported, and nothing goes up", async () => {
  using setup = setUp({}, { code: 7 });
  assert.equal(await runTask(setup.command, setup.context), 7);
  assert.deepEqual(setup.steps, ["download", "start", "drop", "report CommandFailed"]);
});

Deno.test("task: without its inputs the command does not begin; the download has said why", async () => {
  using setup = setUp({ download: () => Promise.resolve(1) });
  assert.equal(await runTask(setup.command, setup.context), 1);
  assert.deepEqual(setup.steps, []);
});

for (const [when, downloaded] of [["during the download", 1], ["right after it", 0]] as const) {
  Deno.test(`task: SIGTERM ${when} ends it before the command begins, and is told`, async () => {
    using setup = setUp();
    const download = () => {
      setup.terminations.deliver();
      return Promise.resolve(downloaded);
    };
    assert.equal(await runTask(setup.command, { ...setup.context, download }), 143);
    assert.deepEqual(setup.steps, ["report CommandInterrupted"]);
  });
}

Deno.test("task: a command that cannot be started is reported; the rights are dropped all the same", async () => {
  const start = () => {
    throw new CopilotError("not-found", "Cannot start it");
  };
  using setup = setUp({ launcher: { start, close() {} } });
  assert.equal(await runTask(setup.command, setup.context), 127);
  assert.deepEqual(setup.steps, ["download", "drop", "report CommandNotStarted"]);
});

Deno.test("task: what goes wrong between download and upload is reported too", async () => {
  const mkdir = () => {
    throw new CopilotError("denied", 'Cannot make the directory "/var/outputs": Permission denied');
  };
  const messages: string[] = [];
  using setup = setUp({
    system: { files: { ...sys.files, mkdir } },
    report: (_, { message }) => {
      messages.push(message);
      return Promise.resolve(1);
    },
  });
  assert.equal(await runTask(setup.command, setup.context), 1);
  assert.match(messages[0]!, /Permission denied; --from-local-dir names another directory$/);
});

Deno.test("task: UPLOAD_EAGER uploads beside the command and learns how it has ended", async () => {
  for (const [code, expected] of [[0, 0], [5, 5]] as const) {
    let told: unknown;
    using setup = setUp({
      upload: async (_, ended) => {
        told = (await ended)?.code;
        return 0;
      },
    }, { code });
    setup.command.upload.mode = "UPLOAD_EAGER";
    assert.equal(await runTask(setup.command, setup.context), expected);
    assert.equal(told, code === 0 ? undefined : "CommandFailed");
  }
});

Deno.test("task --dry-run: says what would run, without its arguments, and runs nothing", async () => {
  using setup = setUp();
  setup.command.upload.dryRun = true;
  assert.equal(await runTask(setup.command, setup.context), 0);
  assert.equal(setup.steps[0], "download");
  assert.match(setup.steps[1]!, /^Would run program with 1 arguments, then upload /);
  assert.equal(setup.steps.length, 2);
});
