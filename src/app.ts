/**
 * The composition root: arguments, environment and files become a command, and the command is carried out.
 * @module
 */
import { posix } from "node:path";
import type {
  Command,
  DoctorCommand,
  DownloadCommand,
  InspectCommand,
  SidecarCommand,
  TaskCommand,
} from "./cli/mod.ts";
import { complete, completeForReport } from "./complete.ts";
import { type CopilotError, explain, from } from "./errors.ts";
export { environmentNames } from "./cli/environment.ts";
export { stayAlive } from "./system/deno.ts";
import type { Fields } from "./system/log.ts";
import { memoryLimits } from "./system/memory_limits.ts";
import {
  absolute,
  limitsOf,
  moveData,
  openLog,
  readCredentials,
  type Special,
  trustedCertificates,
  warn,
  type World,
} from "./move_data.ts";
import type { RunCommand } from "./run/context.ts";
import { dropRights } from "./sandbox/mod.ts";
import { releaseWhenUnderWay } from "./sandbox/start_pages.ts";
import {
  freeBytes,
  isFirstProcess,
  readStdin,
  RUNTIME,
  stdoutColumns,
  sys,
  workingDirectory,
  writeStderr,
  writeStdout,
} from "./system/deno.ts";
import { VERSION, versionText } from "./cli/version.ts";

/** Exit status of what a person has stopped with Ctrl-C, as shells count it: 128 and SIGINT's number. */
const INTERRUPTED = 130;
/** The level of warnings, as `--logger.level` counts. */
const WARNING = 3;
/** Exit status of wrong flags, arguments and settings. */
const USAGE = 2;

/**
 * Runs the program.
 *
 * @returns the exit status
 */
export async function main(
  argv: readonly string[],
  world: Pick<World, "env" | "terminations">,
): Promise<number> {
  const env = withoutLineBreaks(world.env);
  try {
    const { command, warnings } = await complete(argv, env, sys.files);
    const limits = memoryLimits(sys.files);
    const free = freeSpace(command);
    if (!/^(run|doctor|ready)$/.test(command.kind) && !readsProc(command)) dropRights();
    const status = await carryOut(command, { ...world, env, warnings, limits, ...free });
    return world.terminations.interrupted.aborted ? INTERRUPTED : status;
  } catch (thrown) {
    const error = from(thrown, { action: "run" });
    const isUsage = error.code === "usage" || error.code === "config";
    const command = await completeForReport(argv, env, sys.files);
    if (command === null) writeStderr(`copilot: ${explain(error)}\n`);
    else {
      const limits = memoryLimits(sys.files);
      await reportUnstarted(error, command, { ...world, env, warnings: [], limits });
    }
    return isUsage ? USAGE : 1;
  }
}

/** Tells a failure of a command that could not even be begun, to the log and to whoever waits for its error document. */
async function reportUnstarted(error: CopilotError, command: RunCommand, world: World): Promise<void> {
  const message = explain(error);
  openLog(command, world).error("the command cannot be carried out", { code: error.code, error: message });
  await moveData(command, world, { failure: { message } });
}

/** A Secret that was made with `echo` ends in a line break, and so does the variable that a pod gets from it. */
function withoutLineBreaks(env: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(env).map(([name, value]) => [name, value.trim()]));
}

/** The free space where a command's inputs go, which nobody may ask for any more once the rights are dropped. */
function freeSpace(command: Command): Pick<World, "freeBytes"> {
  const download = command.kind === "run" ? command.download : command;
  if (download?.kind !== "download") return {};
  try {
    let path = absolute(download.localDir);
    while (path !== "/" && sys.files.stat(path) === null) path = posix.dirname(path);
    return { freeBytes: freeBytes(path) };
  } catch {
    return {};
  }
}

/** Whether a command reads /proc while it waits; it gives up its rights later than others then. */
function readsProc(command: Command): boolean {
  return command.kind === "sidecar" &&
    [...command.startWatchers, ...command.exitWatchers].some((name) =>
      // The first process of a namespace is alone in it, so `auto` looks no further.
      name === "shared-process-ns" || (name === "auto" && !isFirstProcess())
    );
}

async function carryOut(command: Command, world: World): Promise<number> {
  switch (command.kind) {
    case "print":
      for (const warning of world.warnings) writeStderr(`copilot: ${warning}\n`);
      writeStdout(command.text);
      return command.status;
    case "interface": {
      const { interfaceText } = await import("./sandbox/documents.ts");
      writeStdout(await interfaceText(command));
      return 0;
    }
    case "version":
      writeStdout(versionText(RUNTIME));
      return 0;
    case "ready":
      return await ready();
    case "inspect":
      return await inspect(command, world);
    case "download":
      return await download(command, world);
    case "sidecar":
      return await sidecar(command, world);
    case "run":
      return await task(command, world);
    case "doctor":
      return await doctor(command, world);
  }
}

async function ready(): Promise<number> {
  const { readiness } = await import("./watch/ready.ts");
  const { isReady, why } = readiness(sys.files);
  dropRights();
  if (!isReady) writeStderr(`copilot: Not ready: ${why}\n`);
  return isReady ? 0 : 1;
}

async function inspect(command: InspectCommand, { env, warnings }: World): Promise<number> {
  const [{ inspectInSandbox }, { sourceOf }] = await Promise.all([
    import("./sandbox/inspect.ts"),
    import("./sandbox/documents.ts"),
  ]);
  for (const warning of [...warnings, ...command.warnings]) writeStderr(`copilot: ${warning}\n`);
  const sources = command.documents.map((document) => sourceOf(document, { files: sys.files, readStdin }));
  const options = {
    clock: sys.clock,
    env,
    caCerts: trustedCertificates(env),
    cwd: workingDirectory(),
    readText: readCredentials,
  };
  const { text, status } = await inspectInSandbox(command, sources, options);
  writeStdout(text);
  return status;
}

async function doctor(command: DoctorCommand, world: World): Promise<number> {
  const [{ examine }, { diagnosisJson, diagnosisTable, isHealthy }] = await Promise.all([
    import("./doctor/mod.ts"),
    import("./doctor/check.ts"),
  ]);
  const { env, limits, terminations } = world;
  // What the watchers see is in the findings.
  const level = command.log.level === "auto" ? WARNING : command.log.level;
  const diagnosis = await examine(command, {
    system: sys,
    env,
    log: warn({ ...command, log: { ...command.log, level } }, world),
    terminations,
    machine: { freeBytes, limits: limitsOf(command, limits), isFirstProcess: isFirstProcess() },
    version: versionText(RUNTIME).trim(),
    absolute,
    caCerts: () => trustedCertificates(env),
    dropRights,
  });
  const columns = stdoutColumns();
  const asTable = command.output === "table" || (command.output === "auto" && columns !== null);
  writeStdout(asTable ? diagnosisTable(diagnosis, columns ?? 100) : diagnosisJson(diagnosis));
  return isHealthy(diagnosis) ? 0 : 1;
}

async function download(command: DownloadCommand, world: World): Promise<number> {
  warn(command, world).summary("downloading", about(command, world));
  return await fetchInputs(command, world);
}

/** What a run's first line says, whatever the level: which program, what for, and the limits that it has found. */
function about(command: RunCommand, { limits }: World): Fields {
  const bytes = command.memoryLimitBytes ?? limits.memoryLimitBytes;
  return {
    version: VERSION,
    command: command.kind,
    memoryLimitMiB: Math.round(bytes / 1024 / 1024),
    ...(command.timeoutMs === 0 ? {} : { timeoutSeconds: command.timeoutMs / 1000 }),
  };
}

async function fetchInputs(command: DownloadCommand, world: World, special: Special = {}): Promise<number> {
  const localDir = absolute(command.localDir);
  return await moveData({ ...command, localDir }, world, special);
}

async function sidecar(command: SidecarCommand, world: World): Promise<number> {
  const { runSidecar } = await import("./watch/sidecar.ts");
  const { hasMark, leaveMark } = await import("./watch/upload_mark.ts");
  const startMs = sys.clock.monotonicMs();
  const log = warn(command, world);
  const localDir = absolute(command.localDir);
  if (command.dryRun) return await moveData({ ...command, localDir }, world);
  const begun = {
    stage: "begun" as const,
    localDir,
    outputs: `${command.outputPrefix}/${command.metaOutputName}`,
    pod: world.env["HOSTNAME"] ?? "",
  };
  const declared = { ...begun, stage: "declared" as const };
  const resumes = hasMark(sys.files, begun);
  // For main's sake: a sidecar does nothing but wait for most of its life.
  releaseWhenUnderWay(sys.clock);
  return await runSidecar({ ...command, localDir }, {
    ...world,
    system: sys,
    log,
    about: about(command, world),
    hasUploaded: hasMark(sys.files, declared),
    upload(ready, occasion) {
      leaveMark(sys.files, begun, log);
      return moveData(ready, world, {
        ...occasion,
        resumes,
        waitedMs: sys.clock.monotonicMs() - startMs,
        uploaded: () => leaveMark(sys.files, declared, log),
      });
    },
    report: (ready, failure) => moveData(ready, world, { failure }),
  });
}

/** A task within this process: its command is a child, so every right is kept until that has started. */
async function task(command: TaskCommand, world: World): Promise<number> {
  const [{ runTask }, { openLauncher }, { openReaper }] = await Promise.all([
    import("./task/mod.ts"),
    import("./system/child.ts"),
    import("./system/reaper.ts"),
  ]);
  world.terminations.leaveInterruptsToTask();
  const launcher = openLauncher(() => world.terminations.deliver());
  const log = warn(command, world);
  const upload = { ...command.upload, localDir: absolute(command.upload.localDir) };
  return await runTask({ ...command, upload }, {
    system: sys,
    log,
    terminations: world.terminations,
    download: (ready) => fetchInputs(ready, world, { keepsRights: true }),
    upload: (ready, ended) => moveData(ready, world, { killedAfter: 0, ...(ended && { ended }) }),
    report: (ready, failure) => moveData(ready, world, { failure }),
    launcher,
    print: writeStdout,
    openReaper: (main) => openReaper(main, sys.clock),
    dropRights,
  }).finally(() => launcher.close());
}
