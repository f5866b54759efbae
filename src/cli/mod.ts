/**
 * The command line: `parse` reads arguments, and `resolve` makes a command of them, the environment
 * and the files that `--config` names.
 *
 * Pure: knows no runtime, reads no environment and no file by itself.
 * @module
 */
export type { CommandName } from "./command_table.ts";
export { environmentNames, type Flag } from "./flag.ts";
export { FLAGS } from "./flags.ts";
export { type Invocation, parse, parseLeniently } from "./grammar.ts";
export { type PodTask, readPodManifest } from "./pod_manifest.ts";
export { resolve } from "./resolve.ts";
export { salvage } from "./salvage.ts";
export { resolveTask, taskParts } from "./task.ts";
export type {
  Command,
  DoctorCommand,
  DownloadCommand,
  InspectCommand,
  InterfaceCommand,
  KubeSettings,
  PrintCommand,
  SettingOrigin,
  SidecarCommand,
  StoreCommand,
  TaskCommand,
  VersionCommand,
  WatcherName,
} from "./commands.ts";
