/**
 * Help texts, and the tables of flags for the README, from the table of flags.
 * @module
 */
import { keysOfKind, STOW_KINDS } from "../config/mod.ts";
import { CopilotError } from "../errors.ts";
import { ALIASES, type CommandName, COMMANDS, environmentNames, type Flag, isConfigKey } from "./flag.ts";
import { FLAGS } from "./flags.ts";
import { suggestion } from "../config/suggest.ts";

const WIDTH = 100;

const SUMMARIES: Readonly<Record<CommandName, string>> = {
  download: "Fetch a task's inputs into a directory, as files and as inputs.pb, inputs.json or inputs.yaml",
  sidecar: "Wait until the main container has ended, then upload a task's outputs and write outputs.pb",
  inspect: "Show an inputs.pb, outputs.pb, errors.pb or interface in a readable way",
  version: "Print the version",
  help: "Print this, or a command's help: copilot help download",
};

const USAGES: Readonly<Record<CommandName, string>> = {
  download: "copilot download --from-remote URI --to-output-prefix URI --to-local-dir DIR [flags]",
  sidecar:
    "copilot sidecar --from-local-dir DIR --to-raw-output URI --to-output-prefix URI --interface BASE64 [flags]",
  inspect: "copilot inspect URI [flags]",
  version: "copilot version",
  help: "copilot help [COMMAND]",
};

const EXAMPLES: Readonly<Partial<Record<CommandName, readonly string[]>>> = {
  download: [
    "copilot download --from-remote s3://bucket/run/inputs.pb --to-output-prefix s3://bucket/run/out \\\n" +
    "    --to-local-dir /var/inputs",
    "copilot download -f ./run/inputs.pb --to-output-prefix ./run/out -o ./inputs --format YAML",
    "copilot --config '/etc/flyte/copilot/*.yaml' --storage.stow.kind=s3 download …",
  ],
  sidecar: [
    "copilot sidecar --from-local-dir /var/outputs --to-raw-output s3://bucket/raw/1 \\\n" +
    "    --to-output-prefix s3://bucket/run/out --interface CgA= --start-watcher-type file --exit-watcher-type file",
    "copilot sidecar -f ./outputs -x ./raw -o ./run/out -i CgA= --start-watcher-type noop --exit-watcher-type noop",
  ],
  inspect: [
    "copilot inspect s3://bucket/run/out/outputs.pb",
    "copilot inspect ./run/out/errors.pb --output json",
  ],
};

const GROUPS: readonly { group: Flag["group"]; title: string }[] = [
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

/**
 * The help of a command, or the overview.
 *
 * @param topic a command or one of its other names; none for the overview
 * @throws CopilotError `usage` for a topic that is no command
 */
export function helpText(topic?: string): string {
  if (topic === undefined) return overview();
  const command = COMMANDS.find((name) => name === topic) ??
    (Object.hasOwn(ALIASES, topic) ? ALIASES[topic] : undefined);
  if (command === undefined) {
    const near = suggestion(topic, [...COMMANDS, ...Object.keys(ALIASES)]);
    throw new CopilotError("usage", `No help for that topic: expected one of ${COMMANDS.join(", ")}${near}`);
  }
  return command === "help" ? overview() : commandHelp(command);
}

function overview(): string {
  const commands = COMMANDS.map((name) => [[name, ...aliasesOf(name)].join(", "), SUMMARIES[name]] as const);
  return sections([
    "copilot moves the inputs and outputs of Flyte's raw container tasks between object stores and directories.",
    `Usage:\n  copilot [flags] COMMAND [flags]`,
    `Commands:\n${columns(commands)}`,
    ...globalSections(),
    examples(Object.values(EXAMPLES).map((lines) => lines[0]!)),
    "Exit status: 0 done, or failed and errors.pb says so; 1 failed and errors.pb could not be written, or --exit-on-error;\n" +
    "2 the command line, the environment or the configuration cannot be used, and nothing was moved.",
  ]);
}

function commandHelp(command: CommandName): string {
  const own = FLAGS.filter(({ of }) => of === command);
  const aliases = aliasesOf(command);
  return sections([
    `${SUMMARIES[command]}.`,
    `Usage:\n  ${USAGES[command]}`,
    aliases.length === 0 ? "" : `Also called: ${aliases.join(", ")}`,
    own.length === 0 ? "" : `Flags:\n${columns(own.map(flagLine))}`,
    ...(command === "version" ? [] : globalSections()),
    examples(EXAMPLES[command] ?? []),
  ]);
}

function globalSections(): string[] {
  const flags = (wanted: Flag["group"]) =>
    FLAGS.filter(({ of, group }) => of === "global" && group === wanted);
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

function aliasesOf(command: CommandName): string[] {
  return Object.keys(ALIASES).filter((alias) => ALIASES[alias] === command);
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

/** The README's tables of flags, in Markdown: one per command, one per group of global flags, the ignored ones as a list. */
export function flagTables(): string {
  const own = (command: CommandName) => FLAGS.filter(({ of }) => of === command);
  const tables = (["download", "sidecar", "inspect"] as const).map((command) =>
    `### \`copilot ${[command, ...aliasesOf(command)].join("`, `copilot ")}\`\n\n${table(own(command))}`
  );
  for (const { group, title } of GROUPS) {
    const flags = FLAGS.filter((flag) => flag.group === group && ["global", "config"].includes(flag.of));
    tables.push(`### ${title}\n\n${table(flags)}`);
  }
  const ignored = FLAGS.filter(({ group }) => group === "compatibility").map(({ name }) => `\`--${name}\``);
  tables.push(
    `### Accepted for the original's sake and ignored\n\nTheir types are checked, nothing else: ${
      ignored.join(", ")
    }.`,
  );
  return `${tables.join("\n\n")}\n`;
}

function table(flags: readonly Flag[]): string {
  const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("<", "\\<");
  const code = (text: string) => text === "" ? "" : `\`${text}\``;
  const lines = flags.map((flag) => {
    const typed = flag.of === "config" ? "" : "--";
    const name = `${flag.short === undefined ? "" : `\`-${flag.short}\`, `}\`${typed}${flag.name}\``;
    const values = flag.values === undefined ? "" : ` (${flag.values.map(code).join(", ")})`;
    const initial = flag.required ? "required" : code(flag.default);
    const environment = environmentNames(flag).map(code).join(", ");
    return `| ${[name, flag.type, initial, environment, cell(flag.help) + values].join(" | ")} |`;
  });
  return [
    "| flag | type | default | environment | what it does |",
    "| --- | --- | --- | --- | --- |",
    ...lines,
  ].join("\n");
}
