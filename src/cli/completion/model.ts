/**
 * What the completion scripts of all shells are made from.
 * @module
 */
import { COMMAND_TABLE, type CommandName, COMMANDS } from "../command_table.ts";
import type { Flag } from "../flag.ts";
import { FLAGS, flagsOf } from "../flags.ts";

/** Names under which the executable is installed: the second is the one in Flyte's images. */
export const PROGRAMS = ["copilot", "flyte-copilot"] as const;

/** What a flag's or an argument's value is completed with. */
export type Choices =
  | { kind: "words"; words: readonly string[]; isList: boolean }
  | { kind: "files" }
  | { kind: "directories" }
  | { kind: "none" };

/** A flag that is completed. */
export interface CompletedFlag {
  name: string;
  short: string | undefined;
  /** The first part of its help. */
  help: string;
  /** Whether a value follows. */
  takesValue: boolean;
  /** Whether it may be given again. */
  repeats: boolean;
  value: Choices;
}

/** A command that is completed. */
export interface CompletedCommand {
  name: CommandName;
  /** Its name and other names. */
  words: readonly string[];
  summary: string;
  flags: readonly CompletedFlag[];
  argument: Choices;
}

/** Flags that are only there for the original's sake would hide the others. */
function isShown(flag: Flag): boolean {
  return flag.group !== "compatibility";
}

function valueOf({ type, values, arg }: Flag): Choices {
  if (values !== undefined) return { kind: "words", words: values, isList: type === "list" };
  if (arg === "DIR") return { kind: "directories" };
  if (arg === "FILE" || arg === "URI" || type === "stringArray") return { kind: "files" };
  return { kind: "none" };
}

function completed(flag: Flag): CompletedFlag {
  return {
    name: flag.name,
    short: flag.short,
    help: flag.help.replace(/; .*/, ""),
    takesValue: flag.type !== "bool",
    repeats: flag.type === "stringArray" || flag.type === "stringToString",
    value: valueOf(flag),
  };
}

const HELP_FLAGS: readonly CompletedFlag[] = [
  { name: "help", short: "h", help: "Help", takesValue: false, repeats: false, value: { kind: "none" } },
  {
    name: "help-all",
    short: undefined,
    help: "Help with the flags that commands share",
    takesValue: false,
    repeats: false,
    value: { kind: "none" },
  },
];

function argumentOf(name: CommandName): Choices {
  const { arguments: { max, values } } = COMMAND_TABLE[name];
  if (name === "help") return { kind: "words", words: COMMANDS, isList: false };
  if (values !== undefined) return { kind: "words", words: values, isList: false };
  return max > 0 ? { kind: "files" } : { kind: "none" };
}

/** The flags that stand before a command as well. */
export function sharedFlags(): CompletedFlag[] {
  return [...FLAGS.filter((flag) => flag.scope === "global" && isShown(flag)).map(completed), ...HELP_FLAGS];
}

/** Every command with its flags. */
export function completedCommands(): CompletedCommand[] {
  return COMMANDS.map((name) => {
    const { aliases, summary, usesStores } = COMMAND_TABLE[name];
    const flags = flagsOf(name).filter((flag) => isShown(flag) && (usesStores || flag.scope === name));
    return {
      name,
      words: [name, ...aliases],
      summary,
      flags: [...flags.map(completed), ...HELP_FLAGS],
      argument: argumentOf(name),
    };
  });
}
