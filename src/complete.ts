/**
 * Arguments, environment and files become a command that nothing is missing from.
 * @module
 */
import {
  type Command,
  type DownloadCommand,
  type Invocation,
  parse,
  parseLeniently,
  type PodTask,
  readPodManifest,
  resolve,
  resolveTask,
  salvage,
  type SidecarCommand,
  taskParts,
} from "./cli/mod.ts";
import { type ConfigFile, readConfigFiles } from "./cli/config_files.ts";
import { CopilotError, explain } from "./errors.ts";
import { readSecretFiles } from "./config/mod.ts";
import type { Files } from "./system/mod.ts";

/** A pod's manifest is bounded by what etcd holds. */
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

/** A command, with what was odd about the configuration files. */
export interface Complete {
  command: Command;
  warnings: readonly string[];
}

/**
 * Completes a command line.
 *
 * @param env the environment, as far as the program may see it
 * @throws CopilotError `usage` for flags, arguments and environment, `config` for files
 */
export async function complete(
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
  files: Files,
): Promise<Complete> {
  const invocation = parse(argv);
  if (invocation.command === "run" && !invocation.help) return await completeTask(invocation, env, files);
  const config = readConfigFiles(invocation.configPatterns, files);
  const command = await resolve(invocation, env, config.files);
  return { command: withSecrets(command, files), warnings: config.warnings };
}

/**
 * What is left of a command line that cannot be completed, for its error document; null where that has no place, or no store.
 *
 * @param env as for {@linkcode complete}
 */
export async function completeForReport(
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
  files: Files,
): Promise<DownloadCommand | SidecarCommand | null> {
  const attempt = async (read: () => ConfigFile[]) => {
    try {
      const command = await salvage(argv, env, read());
      return command && withSecrets(command, files);
    } catch {
      return null;
    }
  };
  const configured = () => readConfigFiles(parseLeniently(argv).configPatterns, files).files;
  return await attempt(configured) ?? await attempt(() => []);
}

async function completeTask(
  invocation: Invocation,
  env: Readonly<Record<string, string>>,
  files: Files,
): Promise<Complete> {
  const manifest = invocation.flags.get("from-pod");
  const pod = manifest === undefined ? undefined : await readPod(String(manifest), files);
  const parts = taskParts(invocation, pod);
  const config = readConfigFiles(parts.sidecar.configPatterns, files);
  const task = await resolveTask(parts, env, config.files);
  const command = {
    ...withSecrets(task, files),
    upload: withSecrets(task.upload, files),
    download: task.download && withSecrets(task.download, files),
  };
  return { command, warnings: config.warnings };
}

/** Read as a stream: `--from-pod <(kubectl get pod …)` is no regular file. */
async function readPod(path: string, files: Files): Promise<PodTask> {
  let bytes: Uint8Array;
  try {
    bytes = files.readHead(path, MAX_MANIFEST_BYTES);
  } catch (thrown) {
    throw new CopilotError("config", {
      action: "use --from-pod",
      object: path,
      detail: explain(thrown),
      cause: thrown,
    });
  }
  return await readPodManifest(new TextDecoder().decode(bytes), path);
}

function withSecrets<C extends Command>(command: C, files: Files): C {
  return "storage" in command ? { ...command, storage: readSecretFiles(command.storage, files) } : command;
}
