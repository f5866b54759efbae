/**
 * The grammar of Go's pflag, over the table of flags.
 * @module
 */
import { cannot, CopilotError } from "../errors.ts";
import { COMMAND_TABLE, COMMAND_WORDS, type CommandName, commandOf, COMMANDS } from "./command_table.ts";
import type { Flag } from "./flag.ts";
import { FLAGS, flagsOf } from "./flags.ts";
import { suggestion } from "../config/suggest.ts";
import { addValue, type FlagValue, parseValue } from "./values.ts";

/** A command line, read but not yet completed by environment and files. */
export interface Invocation {
  command: CommandName;
  /** Whether `--help`, `-h` or `--help-all` was given. */
  help: boolean;
  /** Whether `--help-all` was given: help with the flags that commands share. */
  helpAll: boolean;
  /** What is neither flag nor command. */
  args: readonly string[];
  /** What stands behind `--`, for the command that runs it. */
  program: readonly string[];
  /** The flags that were given, by their long names. */
  flags: ReadonlyMap<string, FlagValue>;
  /** The values of `--config`: the files to read before the command can be resolved; none where none are needed. */
  configPatterns: readonly string[];
}

/** Not in the table, since they take the place of the command. */
const HELP: Flag = {
  name: "help",
  short: "h",
  scope: "global",
  group: "run",
  type: "bool",
  default: "",
  help: "Help",
};
const { short: _, ...LONG_ONLY } = HELP;
const HELP_ALL: Flag = { ...LONG_ONLY, name: "help-all" };
const VERSION: Flag = { ...LONG_ONLY, name: "version" };
const INSTEAD_OF_COMMANDS = [HELP, HELP_ALL, VERSION];

/**
 * Reads a command line: `--flag value`, `--flag=value`, `-f value`, `-fvalue`, `-f=value`, booleans without a value of their
 * own, `--` as the end of flags; a command's flags and the global ones may stand before or after its name.
 *
 * @param argv the arguments behind the program's name
 * @throws CopilotError `usage`: names the flag and what is accepted; no secret's value is repeated
 */
export function parse(argv: readonly string[]): Invocation {
  return parseWith(argv, { lenient: false });
}

/**
 * As much of a command line as can be read: flags that are unknown, and those whose values cannot be used, count as not given.
 *
 * @throws CopilotError `usage` where there is no command
 */
export function parseLeniently(argv: readonly string[]): Invocation {
  return parseWith(argv, { lenient: true });
}

function parseWith(argv: readonly string[], { lenient }: { lenient: boolean }): Invocation {
  const at = commandIndex(argv);
  const command = at < 0 ? noCommand(argv) : commandNamed(argv[at]!);
  const rest = at < 0 ? argv : [...argv.slice(0, at), ...argv.slice(at + 1)];
  const parser = new Parser(command, lenient);
  parser.read(rest);
  const { args, program, flags } = parser;
  const helpAll = flags.get("help-all") === true;
  const help = helpAll || flags.get("help") === true;
  for (const { name } of INSTEAD_OF_COMMANDS) flags.delete(name);
  if (!help && !lenient) assertArguments(command, rest, args);
  const patterns = (name: string) => (flags.get(name) ?? []) as readonly string[];
  const readsFiles = !help && COMMAND_TABLE[command].usesStores;
  const configPatterns = readsFiles ? [...patterns("config"), ...patterns("file")] : [];
  return { command, help, helpAll, args, program, flags, configPatterns };
}

/** Where the command's name stands; -1 without one. A flag's own value is passed over. */
function commandIndex(argv: readonly string[]): number {
  for (let i = 0; i < argv.length; i++) {
    const arg = argv[i]!;
    if (arg === "--") return -1;
    if (!isFlag(arg)) return i;
    if (takesNext(arg)) i++;
  }
  return -1;
}

function isFlag(arg: string): boolean {
  return arg.length > 1 && arg.startsWith("-");
}

/** Whether a flag's value is the argument behind it, as far as that can be said before the command is known. */
function takesNext(arg: string): boolean {
  if (arg.includes("=")) return false;
  const isBool = (matches: (flag: Flag) => boolean) => {
    const flag = [...FLAGS, ...INSTEAD_OF_COMMANDS].find(matches);
    return flag?.type === "bool";
  };
  if (arg.startsWith("--")) return !isBool(({ name }) => name === arg.slice(2));
  return arg.length === 2 && !isBool(({ short }) => short === arg[1]);
}

/** Without a command only a call for help or for the version is served. */
function noCommand(argv: readonly string[]): CommandName {
  if (argv.some((arg) => /^(--help(-all)?|-h)(=|$)/.test(arg))) return "help";
  if (argv.some((arg) => /^--version(=|$)/.test(arg))) return "version";
  throw new CopilotError(
    "usage",
    `No command given: expected one of ${COMMANDS.join(", ")} (see copilot help)`,
  );
}

function commandNamed(word: string): CommandName {
  const command = commandOf(word);
  if (command !== undefined) return command;
  const near = suggestion(word, COMMAND_WORDS);
  throw new CopilotError(
    "usage",
    `Unknown command${quoted(word)}: expected one of ${COMMANDS.join(", ")}${near}`,
  );
}

/** Flags and arguments of one command. */
class Parser {
  readonly args: string[] = [];
  readonly program: string[] = [];
  readonly flags = new Map<string, FlagValue>();
  readonly #known: readonly Flag[];
  readonly #command: CommandName;
  readonly #lenient: boolean;

  constructor(command: CommandName, lenient: boolean) {
    this.#command = command;
    this.#lenient = lenient;
    // `help sidecar --format x` is a call for help whatever else stands there.
    this.#known = [
      ...(command === "help" ? FLAGS.filter(({ scope }) => scope !== "file") : flagsOf(command)),
      ...(command === "version" ? INSTEAD_OF_COMMANDS : [HELP, HELP_ALL]),
    ];
  }

  read(argv: readonly string[]): void {
    const queue = [...argv];
    for (let arg = queue.shift(); arg !== undefined; arg = queue.shift()) {
      if (arg === "--") {
        (this.#command === "run" ? this.program : this.args).push(...queue);
        return;
      }
      if (!isFlag(arg)) this.args.push(arg);
      else this.#flag(arg, queue);
    }
  }

  #flag(arg: string, queue: string[]): void {
    try {
      if (arg.startsWith("--")) this.#long(arg, queue);
      else this.#shorts(arg.slice(1), queue);
    } catch (thrown) {
      if (!this.#lenient) throw thrown;
    }
  }

  #long(arg: string, queue: string[]): void {
    const sign = arg.indexOf("=");
    const name = sign < 0 ? arg.slice(2) : arg.slice(2, sign);
    if (name === "" || name.startsWith("-")) {
      throw new CopilotError("usage", `Bad flag syntax: expected --flag, --flag=value or --flag value`);
    }
    const flag = this.#known.find((known) => known.name === name) ?? this.#unknown(name);
    this.#set(
      flag,
      `--${name}`,
      sign < 0 ? this.#valueBehind(flag, `--${name}`, queue) : arg.slice(sign + 1),
    );
  }

  /** One or several shorthands: `-nfoo`, `-n=foo`, `-sn foo`. */
  #shorts(letters: string, queue: string[]): void {
    for (let rest = letters; rest !== "";) {
      const letter = String.fromCodePoint(rest.codePointAt(0)!);
      const flag = this.#known.find(({ short }) => short === letter);
      if (flag === undefined) {
        throw new CopilotError("usage", `Unknown flag "-${letter}": see copilot help ${this.#command}`);
      }
      const behind = rest.slice(1);
      rest = "";
      if (behind.length > 1 && behind.startsWith("=")) this.#set(flag, `-${letter}`, behind.slice(1));
      else if (flag.type === "bool") {
        this.#set(flag, `-${letter}`, "true");
        rest = behind;
      } else if (behind !== "") this.#set(flag, `-${letter}`, behind);
      else this.#set(flag, `-${letter}`, this.#valueBehind(flag, `-${letter}`, queue));
    }
  }

  #valueBehind(flag: Flag, typed: string, queue: string[]): string {
    if (flag.type === "bool") return "true";
    const value = queue.shift();
    if (value === undefined) throw cannot(`use ${typed}`, { usage: `it needs a value, ${hint(flag)}` });
    return value;
  }

  #set(flag: Flag, typed: string, text: string): void {
    const value = parseValue(flag, text, { name: typed, code: "usage" });
    this.flags.set(flag.name, addValue(flag, this.flags.get(flag.name), value));
  }

  #unknown(name: string): never {
    const other = FLAGS.find((flag) => flag.name === name);
    if (other?.scope === "file") {
      const where = "it is set in configuration files and by environment variables only";
      throw cannot(`use --${name} on the command line`, { usage: where });
    }
    const near = other === undefined
      ? suggestion(name, this.#known.map((flag) => flag.name), { mark: "--" })
      : `, it belongs to copilot ${other.scope}`;
    const shown = /^[\w.-]{1,64}$/.test(name) ? ` "--${name}"` : "";
    throw new CopilotError("usage", `Unknown flag${shown}${near}: see copilot help ${this.#command}`);
  }
}

function hint(flag: Flag): string {
  return `expected ${flag.values === undefined ? `a ${flag.type}` : `one of ${flag.values.join(", ")}`}`;
}

function assertArguments(command: CommandName, argv: readonly string[], args: readonly string[]): void {
  const { arguments: { min, max, what, values }, usage: form } = COMMAND_TABLE[command];
  if (args.length < min) throw cannot(command, { usage: `expected ${what}, as in ${form}` });
  const odd = values === undefined ? undefined : args.slice(0, max).find((arg) => !values.includes(arg));
  if (odd !== undefined) {
    throw cannot(`use${quoted(odd)}`, {
      usage: `expected one of ${values!.join(", ")}${suggestion(odd, values!)}`,
    });
  }
  const extra = args[max];
  if (extra === undefined) return;
  const before = argv[argv.lastIndexOf(extra) - 1];
  const mend = before !== undefined && /^--?[\w.-]+$/.test(before) && /^(true|false)$/.test(extra)
    ? `; a boolean's value stands behind "=": ${before}=${extra}`
    : before !== undefined && /\.ya?ml$/.test(extra)
    ? "; quote a glob, or the shell expands it"
    : "";
  throw new CopilotError(
    "usage",
    `Unexpected argument${quoted(extra)}: copilot ${command} takes ${what}${mend}`,
  );
}

/** A stray argument may be the tail of a secret: only what looks like a word or a file of ours is repeated. */
function quoted(word: string): string {
  return /^([a-z-]{1,24}|[\w./-]{1,100}\.(ya?ml|pb|json))$/.test(word) ? ` "${word}"` : "";
}
