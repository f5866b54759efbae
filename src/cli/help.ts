/**
 * Help texts, from the tables of commands and flags.
 * @module
 */
import { keysOfKind, STOW_KINDS } from "../config/mod.ts";
import { CopilotError } from "../errors.ts";
import { COMMAND_TABLE, COMMAND_WORDS, type CommandName, commandOf, COMMANDS } from "./command_table.ts";
import { type Flag, isConfigKey } from "./flag.ts";
import { FLAGS } from "./flags.ts";
import { suggestion } from "../config/suggest.ts";

const WIDTH = 80;

/** The groups of flags that more than one command takes, in the order of help. */
export const GROUPS: readonly { group: Flag["group"]; title: string }[] = [
  { group: "run", title: "Every run" },
  { group: "storage", title: "Storage" },
  { group: "log", title: "Log" },
  { group: "kubernetes", title: "Kubernetes" },
];

/** The settings that each kind of store understands. */
function stowKeys(): string {
  const kinds = STOW_KINDS.map((kind) => [kind, keysOfKind(kind).join(", ")] as const);
  return `Keys of storage.stow.config by kind:\n${columns(kinds)}`;
}

const PRECEDENCE = "Precedence: flag, environment, configuration files in their order, default. " +
  "Flags with a dot are keys of configuration files (storage.stow.kind is storage: {stow: {kind: …}}) and can be set by " +
  "environment variables: the name in upper case with - as _ (STORAGE.STOW.KIND), or also with dots as _ " +
  "(STORAGE_STOW_KIND).";

const EXIT_STATUS: readonly (readonly [string, string])[] = [
  ["0", "Done, or failed and the error document says so"],
  ["1", "Failed, and the error document could not be written or --exit-on-error is given"],
  ["2", "Nothing was moved: the command line, the environment or the configuration cannot be used"],
];

/**
 * The help of a command, or the overview.
 *
 * @param topic a command or one of its other names; none for the overview
 * @param options.all also the flags that other commands share
 * @throws CopilotError `usage` for a topic that is no command
 */
export function helpText(topic: string | undefined, { all }: { all: boolean }): string {
  if (topic === undefined) return overview(all);
  const command = commandOf(topic);
  if (command === undefined) {
    const near = suggestion(topic, COMMAND_WORDS);
    throw new CopilotError("usage", `No help for that topic: expected one of ${COMMANDS.join(", ")}${near}`);
  }
  return command === "help" ? overview(all) : commandHelp(command, all);
}

function overview(all: boolean): string {
  const commands = COMMANDS.map((name) => {
    const { aliases, summary } = COMMAND_TABLE[name];
    return [[name, ...aliases].join(", "), summary] as const;
  });
  const firsts = COMMANDS.flatMap((name) => COMMAND_TABLE[name].examples.slice(0, 1));
  return sections([
    wrap(
      "copilot moves the inputs and outputs of Flyte's raw container tasks between object stores and directories.",
      "",
    ),
    `Usage:\n  copilot [flags] COMMAND [flags]`,
    `Commands:\n${columns(commands)}`,
    examples(firsts),
    ...(all ? sharedSections() : [
      "The flags of a command:        copilot help COMMAND\n" +
      "The flags that commands share: copilot help --help-all",
    ]),
    `Exit status:\n${columns(EXIT_STATUS)}`,
  ]);
}

function commandHelp(command: CommandName, all: boolean): string {
  const own = FLAGS.filter(({ scope }) => scope === command);
  const { summary, usage, aliases, usesStores } = COMMAND_TABLE[command];
  const rest = `The other flags (storage, log, Kubernetes …): copilot ${command} --help-all`;
  return sections([
    `${summary}.`,
    `Usage:\n  ${usage}`,
    aliases.length === 0 ? "" : `Also called: ${aliases.join(", ")}`,
    own.length === 0 ? "" : `Flags:\n${columns(own.map(flagLine))}`,
    examples(COMMAND_TABLE[command].examples),
    ...(!usesStores ? [] : all ? sharedSections() : [rest]),
  ]);
}

function sharedSections(): string[] {
  const flags = (wanted: Flag["group"]) =>
    FLAGS.filter(({ scope, group }) => scope === "global" && group === wanted);
  const ignored = flags("compatibility").map(({ name }) => `--${name}`).join(", ");
  return [
    ...GROUPS.map(({ group, title }) => `${title}:\n${columns(flags(group).map(flagLine))}`),
    stowKeys(),
    `Accepted for the original's sake and ignored:\n${wrap(ignored, "  ")}`,
    wrap(PRECEDENCE, ""),
  ];
}

function flagLine(flag: Flag): readonly [string, string] {
  const notes = [
    flag.values === undefined ? "" : `one of ${flag.values.join(", ")}`,
    flag.required ? "required" : "",
    flag.default === "" ? "" : `default ${flag.default}`,
    isConfigKey(flag) || flag.env === undefined ? "" : `environment ${flag.env.join(", ")}`,
  ].filter((note) => note !== "");
  return [
    `${flag.short === undefined ? "    " : `-${flag.short}, `}--${flag.name}${placeholder(flag)}`,
    flag.help + (notes.length === 0 ? "" : ` (${notes.join("; ")})`),
  ];
}

const PLACEHOLDERS: Readonly<Partial<Record<Flag["type"], string>>> = {
  bool: "",
  bytesBase64: " BASE64",
  stringToString: " KEY=VALUE",
  stringArray: " FILE",
  duration: " DURATION",
  int: " N",
  quantity: " BYTES",
  list: " LIST",
};

function placeholder(flag: Flag): string {
  return flag.arg === undefined ? PLACEHOLDERS[flag.type] ?? " TEXT" : ` ${flag.arg}`;
}

function examples(lines: readonly string[]): string {
  return lines.length === 0 ? "" : `Examples:\n${lines.map((line) => `  ${line}`).join("\n")}`;
}

function sections(texts: readonly string[]): string {
  return `${texts.filter((text) => text !== "").join("\n\n")}\n`;
}

/** Two columns; the second is folded, and starts on a line of its own where the first is long. */
function columns(lines: readonly (readonly [string, string])[]): string {
  const longest = Math.max(...lines.map(([left]) => left.length));
  const left = Math.min(longest, 34) + 2;
  return lines.map(([name, text]) => {
    const folded = wrap(text, " ".repeat(left + 2));
    return name.length + 2 > left ? `  ${name}\n${folded}` : `  ${name.padEnd(left)}${folded.trimStart()}`;
  }).join("\n");
}

function wrap(text: string, indent: string): string {
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(" ")) {
    if (line.length > indent.length && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = indent;
    }
    line += line.length === indent.length ? word : ` ${word}`;
  }
  return [...lines, line].join("\n");
}
