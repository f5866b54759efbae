/**
 * The one table of flags: parsing, help, completion and docs/flags.md are made from it.
 * @module
 */
import { COMMAND_FLAGS } from "./command_flags.ts";
import type { CommandName } from "./command_table.ts";
import type { Flag } from "./flag.ts";
import { GLOBAL_FLAGS } from "./global_flags.ts";
import { doctorFlags, taskFlags } from "./task_flags.ts";

/** Every flag and configuration key. */
export const FLAGS: readonly Flag[] = [
  ...COMMAND_FLAGS,
  ...taskFlags(COMMAND_FLAGS),
  ...doctorFlags(COMMAND_FLAGS),
  ...GLOBAL_FLAGS,
];

/** The flags that a command takes, its own first. */
export function flagsOf(command: CommandName): Flag[] {
  return FLAGS.filter((flag) => flag.scope === command || flag.scope === "global");
}
