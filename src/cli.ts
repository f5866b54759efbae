/**
 * The command line: `parse` reads arguments, and `resolve` makes a command of them, the environment
 * and the files that `--config` names.
 *
 * Pure: knows no runtime, reads no environment and no file by itself.
 * @module
 */
export { type CommandName, environmentNames, type Flag } from "./cli/flag.ts";
export { FLAGS } from "./cli/flags.ts";
export { type Invocation, parse } from "./cli/grammar.ts";
export { resolve } from "./cli/resolve.ts";
export type {
  Command,
  DownloadCommand,
  HelpCommand,
  InspectCommand,
  InspectKind,
  KubeSettings,
  SidecarCommand,
  StoreCommand,
  VersionCommand,
  WatcherName,
} from "./cli/commands.ts";
