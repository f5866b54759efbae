/**
 * The composition root: arguments, environment and files become a command, and the command is carried out.
 * @module
 */
import { type Command, type InspectCommand, parse, resolve } from "./cli.ts";
import { configFiles } from "./config_files.ts";
import { CopilotError, explain, from } from "./errors.ts";
import type { LogSettings } from "./log.ts";
import { memoryLimitBytes } from "./memory.ts";
import type { RunCommand } from "./run.ts";
import { dropPermissions, readEnvironment, stderrIsTerminal, sys, workingDirectory, writeStderr, writeStdout } from "./sys.ts";
import { versionText } from "./version.ts";
import type { Terminations } from "./watch/terminations.ts";

/** Exit status of wrong flags, arguments and settings. */
const USAGE = 2;

/**
 * Runs the program.
 *
 * @returns the exit status
 */
export async function main(argv: readonly string[], terminations: Terminations): Promise<number> {
  const env = readEnvironment();
  try {
    const invocation = parse(argv);
    const command = await resolve(invocation, env, configFiles(invocation.configPatterns, sys.files));
    return await carryOut(command, { env, terminations });
  } catch (thrown) {
    const error = from(thrown, "Cannot run");
    writeStderr(`copilot: ${explain(error)}\n`);
    return error.code === "usage" || error.code === "config" ? USAGE : 1;
  }
}

interface World {
  env: Record<string, string>;
  terminations: Terminations;
}

async function carryOut(command: Command, world: World): Promise<number> {
  switch (command.kind) {
    case "help":
      writeStdout(command.text);
      return 0;
    case "version":
      writeStdout(versionText());
      return 0;
    case "inspect":
      return await inspect(command, world);
    case "download":
      return await download(command, world);
    case "sidecar":
      return await sidecar(command, world);
  }
}

async function inspect(command: InspectCommand, { env }: World): Promise<number> {
  const { inspectUri } = await import("./inspect.ts");
  writeStdout(await inspectUri(command, { system: sys, env, caCerts: trustedCertificates(env) }));
  return 0;
}

async function download(command: Extract<Command, { kind: "download" }>, world: World): Promise<number> {
  sys.files.mkdir(command.localDir);
  return await moveData({ ...command, localDir: sys.files.realPath(command.localDir) }, world);
}

async function sidecar(command: Extract<Command, { kind: "sidecar" }>, world: World): Promise<number> {
  const { waitForMain } = await import("./sidecar.ts");
  return await waitForMain(command, {
    ...world,
    system: sys,
    log: await openMainLog(command),
    upload: (ready) => moveData(ready, world),
  });
}

/** Hands the run to a Worker with the permissions that it needs, and no others. */
async function moveData(command: RunCommand, { env, terminations }: World): Promise<number> {
  const { runInSandbox } = await import("./sandbox.ts");
  const controller = new AbortController();
  if (command.kind === "download") {
    // A download that is told to end can only be started again; an upload goes on: it is what SIGTERM asks for.
    terminations.next(0, controller.signal).then(
      () => controller.abort(new CopilotError("aborted", "Ended by a signal")),
      () => {},
    );
  }
  return await runInSandbox(command, {
    env,
    caCerts: trustedCertificates(env),
    memoryLimitBytes: command.memoryLimitBytes ?? memoryLimitBytes(sys.files),
    log: logSettings(command),
    cwd: workingDirectory(),
    signal: controller.signal,
  });
}

function logSettings(command: RunCommand): LogSettings {
  return { ...command.log, terminal: stderrIsTerminal() };
}

async function openMainLog(command: RunCommand) {
  const { openLog } = await import("./log.ts");
  return openLog(logSettings(command), { write: writeStderr, clock: sys.clock, storage: command.storage });
}

/** PEM certificates of the files that other tools' variables name, since the runtime looks at none of them. */
function trustedCertificates(env: Record<string, string>): string[] {
  return ["SSL_CERT_FILE", "AWS_CA_BUNDLE"].flatMap((name) => {
    const path = env[name];
    if (!path) return [];
    return [new TextDecoder().decode(sys.files.readFile(path, 4 * 1024 * 1024))];
  });
}
