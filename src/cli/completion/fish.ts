/**
 * The completion script for fish.
 * @module
 */
import { type Choices, type CompletedCommand, type CompletedFlag, PROGRAMS, sharedFlags } from "./model.ts";

/** The script. */
export function fishScript(commands: readonly CompletedCommand[]): string {
  const lines = PROGRAMS.flatMap((program) => [
    `complete -c ${program} -f`,
    `complete -c ${program} -n __fish_use_subcommand -l version -d Version`,
    ...sharedFlags().map((flag) => `complete -c ${program} -n __fish_use_subcommand ${flagOf(flag)}`),
    ...commands.flatMap((command) => commandLines(program, command)),
  ]);
  return `# fish completion for copilot: copilot completion fish | source\n${lines.join("\n")}\n`;
}

function commandLines(program: string, { words, summary, flags, argument }: CompletedCommand): string[] {
  const condition = quoted(`__fish_seen_subcommand_from ${words.join(" ")}`);
  const when = `complete -c ${program} -n ${condition}`;
  const chosen = argument.kind === "none" ? [] : [`${when} ${choicesOf(argument)}`];
  return [
    ...words.map((word) =>
      `complete -c ${program} -n __fish_use_subcommand -a ${word} -d ${quoted(summary)}`
    ),
    ...flags.map((flag) => `${when} ${flagOf(flag)}`),
    ...chosen,
  ];
}

function flagOf({ name, short, help, takesValue, value }: CompletedFlag): string {
  const spellings = `-l ${name}${short === undefined ? "" : ` -s ${short}`}`;
  return `${spellings} -d ${quoted(help)}${takesValue ? ` -r ${choicesOf(value)}`.trimEnd() : ""}`;
}

function choicesOf(choices: Choices): string {
  switch (choices.kind) {
    case "words":
      return choices.isList
        ? `-f -a ${quoted(`(__fish_append , ${choices.words.join(" ")})`)}`
        : `-f -a ${quoted(choices.words.join(" "))}`;
    case "files":
      return "-F";
    case "directories":
      return `-f -a ${quoted("(__fish_complete_directories)")}`;
    case "none":
      return "-f";
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
