/**
 * The tables of flags for docs/flags.md.
 * @module
 */
import { type KindName, KINDS, STOW_KINDS } from "../config/mod.ts";
import { COMMAND_TABLE, type CommandName, COMMANDS } from "./command_table.ts";
import { environmentNames, type Flag } from "./flag.ts";
import { FLAGS } from "./flags.ts";
import { GROUPS } from "./help.ts";

/** The tables of flags, in Markdown: one per command, one per group of global flags, the ignored ones as a list. */
export function flagTables(): string {
  const own = (command: CommandName) => FLAGS.filter(({ scope }) => scope === command);
  const tables = COMMANDS.filter((command) => own(command).length > 0).map((command) => {
    const names = [command, ...COMMAND_TABLE[command].aliases].join("`, `copilot ");
    return `## \`copilot ${names}\`\n\n${table(own(command))}`;
  });
  for (const { group, title } of GROUPS) {
    const flags = FLAGS.filter((flag) => flag.group === group && ["global", "file"].includes(flag.scope));
    tables.push(`## ${title}\n\n${table(flags)}`);
  }
  tables.push(storeTables());
  const ignored = FLAGS.filter(({ group }) => group === "compatibility").map(({ name }) => `\`--${name}\``);
  tables.push(
    `## Accepted for the original's sake and ignored\n\nTheir types are checked, nothing else: ${
      ignored.join(", ")
    }.`,
  );
  return `${tables.join("\n\n")}\n`;
}

/** The settings that each kind of store understands. */
function storeTables(): string {
  const lines = STOW_KINDS.flatMap((kind) =>
    Object.entries(KINDS[kind as KindName].keys).map(([key, help]) =>
      `| ${kind} | \`${key}\` | ${cell(help)} |`
    )
  );
  return [
    "## Settings of a store (`storage.stow.config`)\n",
    "| kind | key | what it does |",
    "| --- | --- | --- |",
    ...lines,
  ].join("\n");
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("<", "\\<");
}

function table(flags: readonly Flag[]): string {
  const code = (text: string) => text === "" ? "" : `\`${text}\``;
  const lines = flags.map((flag) => {
    const typed = flag.scope === "file" ? "" : "--";
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
