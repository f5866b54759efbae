/**
 * `copilot run` as the two commands that it is made of, and the program between them.
 * @module
 */
import { cannot, type CopilotError } from "../errors.ts";
import type { DownloadCommand, SidecarCommand, TaskCommand } from "./commands.ts";
import type { ConfigFile } from "./config_files.ts";
import type { CommandName } from "./command_table.ts";
import { FLAGS, flagsOf } from "./flags.ts";
import { type Invocation, parse } from "./grammar.ts";
import type { PodTask } from "./pod_manifest.ts";
import { resolve } from "./resolve.ts";
import { addValue, type FlagValue } from "./values.ts";
import { trimEnd } from "../text/trim.ts";

/** The parts of a task, read but not yet completed by environment and files. */
export interface TaskParts {
  /** Undefined for a task without inputs. */
  download: Invocation | undefined;
  sidecar: Invocation;
  program: TaskCommand["program"];
  warnings: readonly string[];
}

type Flags = Map<string, FlagValue>;

/**
 * Takes a `copilot run` apart. What was typed wins over what the pod's manifest says, key by key for maps.
 *
 * @param pod what `--from-pod` names
 * @throws CopilotError `usage` for a task without command or outputs; as `parse` for a manifest's own command lines
 */
export function taskParts(invocation: Invocation, pod: PodTask | undefined): TaskParts {
  const typed = new Map(invocation.flags);
  const inputs = flagText(typed, "inputs");
  const outputs = flagText(typed, "outputs") ??
    (pod && !typed.has("to-output-prefix") && `./${pod.name}-outputs`);
  if (inputs !== undefined && !typed.has("from-remote")) typed.set("from-remote", documentIn(inputs));
  if (outputs) {
    for (const name of ["to-output-prefix", "to-raw-output"]) if (!typed.has(name)) typed.set(name, outputs);
  }
  const downloadFlags = flagsFor("download", pod?.download, typed);
  const sidecarFlags = flagsFor("sidecar", pod?.sidecar, typed);
  if (!sidecarFlags.has("to-raw-output")) {
    const prefix = sidecarFlags.get("to-output-prefix");
    if (prefix !== undefined) sidecarFlags.set("to-raw-output", prefix);
  }
  if (!sidecarFlags.has("to-output-prefix")) {
    throw usage("no place for outputs, expected --outputs URI or --from-pod FILE");
  }
  return {
    download: downloadFlags.has("from-remote") ? part("download", downloadFlags) : undefined,
    sidecar: part("sidecar", sidecarFlags),
    program: programOf(invocation, pod),
    warnings: warningsOf(pod),
  };
}

/** `--inputs` names inputs.pb itself, or what holds it. */
function documentIn(uri: string): string {
  return uri.endsWith(".pb") ? uri : `${trimEnd(uri, "/")}/inputs.pb`;
}

/** The flags of one of the two commands: the manifest's, then what was typed, then this command's own defaults. */
function flagsFor(
  command: "download" | "sidecar",
  manifest: readonly string[] | undefined,
  typed: Flags,
): Flags {
  const known = flagsOf(command);
  const flags: Flags = new Map(manifest === undefined ? [] : parse(manifest).flags);
  for (const flag of known) {
    const value = typed.get(flag.name);
    if (value === undefined) continue;
    const earlier = flag.type === "stringToString" ? flags.get(flag.name) : undefined;
    flags.set(flag.name, addValue(flag, earlier, value));
  }
  for (const { name } of known) {
    const initial = FLAGS.find((flag) => flag.scope === "run" && flag.name === name)?.default ?? "";
    if (/-local-dir$/.test(name) && !flags.has(name)) flags.set(name, initial);
  }
  return flags;
}

function part(command: CommandName, flags: Flags): Invocation {
  return {
    command,
    help: false,
    helpAll: false,
    args: [],
    program: [],
    flags,
    configPatterns: configPatterns(flags),
  };
}

function configPatterns(flags: Flags): readonly string[] {
  return (flags.get("config") ?? []) as readonly string[];
}

function programOf({ program }: Invocation, pod: PodTask | undefined): TaskCommand["program"] {
  const argv = program.length > 0 ? program : pod?.main.argv ?? [];
  if (argv.length === 0) {
    const why = pod === undefined ? "" : `: the manifest of "${pod.name}" leaves it to main's image`;
    throw usage(`no command${why}, expected it behind "--": copilot run … -- CMD ARGS`);
  }
  return { argv, env: pod?.main.env ?? {}, cwd: pod?.main.workingDir };
}

function warningsOf(pod: PodTask | undefined): string[] {
  const names = pod?.main.unknownEnv ?? [];
  return names.length === 0 ? [] : [
    `The manifest does not hold the values of ${
      names.join(", ")
    }: set them before copilot run if they matter`,
  ];
}

function flagText(flags: Flags, name: string): string | undefined {
  const value = flags.get(name);
  return typeof value === "string" && value !== "" ? value : undefined;
}

function usage(what: string): CopilotError {
  return cannot("run a task", { usage: what });
}

/**
 * Completes a task. A failure always shows in its exit status.
 *
 * @param env the whole environment; only the names that `environmentNames` lists are read
 * @param files what the parts' `configPatterns` named, in the order of merging
 */
export async function resolveTask(
  { download, sidecar, program, warnings }: TaskParts,
  env: Readonly<Record<string, string>>,
  files: readonly ConfigFile[],
): Promise<TaskCommand> {
  const complete = async (invocation: Invocation) => ({
    ...await resolve(invocation, env, files) as DownloadCommand | SidecarCommand,
    exitOnError: true,
  });
  const upload = await complete(sidecar) as SidecarCommand;
  return {
    kind: "run",
    storage: upload.storage,
    log: upload.log,
    exitOnError: true,
    memoryLimitBytes: upload.memoryLimitBytes,
    telemetry: upload.telemetry,
    warnings: [...warnings, ...upload.warnings],
    download: download && await complete(download) as DownloadCommand,
    upload,
    program,
  };
}
