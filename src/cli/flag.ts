/**
 * What a flag is.
 * @module
 */
import type { CommandName } from "./command_table.ts";

/** How a flag's text is read; the names are pflag's where pflag has the type. */
export type FlagType =
  | "string"
  | "int"
  | "uint"
  | "bool"
  | "duration"
  | "bytesBase64"
  | "stringToString"
  | "stringArray"
  /** Bytes with an optional Ki, Mi or Gi. */
  | "quantity"
  /** One or several of the accepted values, separated by commas. */
  | "list"
  /** klog's own types. */
  | "severity"
  | "Level"
  | "traceLocation"
  | "moduleSpec";

/** Where help and docs/flags.md show a flag. */
export type FlagGroup = "command" | "run" | "storage" | "log" | "kubernetes" | "compatibility";

/** One flag or configuration key. */
export interface Flag {
  name: string;
  /** One letter. */
  short?: string;
  /** The command that has it; `global`: every command, before or after its name; `file`: files and environment only. */
  scope: CommandName | "global" | "file";
  group: FlagGroup;
  type: FlagType;
  /** Text as on the command line; empty for the type's own zero. */
  default: string;
  /** What help calls the value, where the type does not say it: `URI`, `DIR`. */
  arg?: string;
  /** One sentence without a period; empty for the group `compatibility`. */
  help: string;
  /** Accepted values. */
  values?: readonly string[];
  /** Whether another value fails the run, which the error document tells, and not the command line, as the original has it. */
  lenient?: true;
  /** Words for some of its numbers. */
  words?: Readonly<Record<string, number>>;
  /** Environment names besides those that {@linkcode environmentNames} derives. */
  env?: readonly string[];
  /** Whether the command cannot do without it. */
  required?: true;
  /** Whether its value may be a credential, which no message repeats. */
  secret?: true;
}

/** A flag as a table writes it. */
export type FlagRow = Partial<Flag> & Pick<Flag, "name" | "help">;

/** Flags that have the same command and group; type string and no default unless they say otherwise. */
export function rows(common: Pick<Flag, "scope" | "group">, flags: readonly FlagRow[]): Flag[] {
  return flags.map((flag) => ({ type: "string", default: "", ...common, ...flag }));
}

/** Whether a flag is also a key of configuration files: those with a dot are. */
export function isConfigKey(flag: Flag): boolean {
  return flag.name.includes(".");
}

/**
 * The environment variables that a flag is read from, the first that is set and not empty winning. A configuration key's
 * are its name in upper case with `-` as `_`, once with its dots (as the original) and once with `_` in their place.
 */
export function environmentNames(flag: Flag): string[] {
  const dotted = flag.name.toUpperCase().replaceAll("-", "_");
  return isConfigKey(flag) ? [dotted, dotted.replaceAll(".", "_")] : [...flag.env ?? []];
}
