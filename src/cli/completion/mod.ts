/**
 * Scripts that make a shell complete copilot's commands, flags and values.
 * @module
 */
import type { SHELLS } from "../command_table.ts";
import { bashScript } from "./bash.ts";
import { fishScript } from "./fish.ts";
import { completedCommands } from "./model.ts";
import { zshScript } from "./zsh.ts";

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const satisfies Record<
  typeof SHELLS[number],
  unknown
>;

/** The script for a shell. */
export function completionScript(shell: typeof SHELLS[number]): string {
  return SCRIPTS[shell](completedCommands());
}
