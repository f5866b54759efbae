/**
 * The completion script for zsh.
 * @module
 */
import { type Choices, type CompletedCommand, type CompletedFlag, PROGRAMS, sharedFlags } from "./model.ts";

/** The script: to be evaluated, or a file `_copilot` in a directory of `$fpath`. */
export function zshScript(commands: readonly CompletedCommand[]): string {
  const described = commands.flatMap(({ words, summary }) =>
    words.map((word) => `${word}:${plain(summary)}`)
  );
  return [
    `#compdef ${PROGRAMS.join(" ")}`,
    '# zsh completion for copilot: eval "$(copilot completion zsh)" behind compinit, or a file _copilot in $fpath',
    "",
    "_copilot() {",
    "  local context state state_descr line",
    "  typeset -A opt_args",
    `  _arguments -C '(- *)--version[Version]' ${sharedFlags().flatMap(specification).join(" ")} \\`,
    "    '1:command:->command' '*::argument:->argument' && return",
    "  case $state in",
    "    command)",
    "      local -a commands",
    `      commands=(${described.map(quoted).join(" ")})`,
    "      _describe command commands ;;",
    "    argument)",
    "      case $words[1] in",
    ...commands.map((command) =>
      `        ${command.words.join("|")}) _arguments ${specifications(command)} ;;`
    ),
    "      esac ;;",
    "  esac",
    "}",
    "",
    "if [[ $funcstack[1] == _copilot ]]; then",
    '  _copilot "$@"',
    "else",
    `  compdef _copilot ${PROGRAMS.join(" ")}`,
    "fi",
    "",
  ].join("\n");
}

function specifications({ flags, argument }: CompletedCommand): string {
  const own = flags.flatMap(specification);
  return [...own, ...(argument.kind === "none" ? [] : [quoted(`*:argument:${action(argument)}`)])].join(" ");
}

function specification(flag: CompletedFlag): string[] {
  const { name, short, help, takesValue, repeats, value } = flag;
  const spellings = [
    ...(short === undefined ? [] : [`-${short}${takesValue ? "+" : ""}`]),
    `--${name}${takesValue ? "=" : ""}`,
  ];
  const others = short === undefined ? "" : `(-${short} --${name})`;
  const before = repeats ? "*" : others;
  const behind = `[${plain(help)}]${takesValue ? `:${plain(name)}:${action(value)}` : ""}`;
  return spellings.map((spelling) => quoted(`${before}${spelling}${behind}`));
}

function action(choices: Choices): string {
  switch (choices.kind) {
    case "words":
      return choices.isList
        ? `_values -s , value ${choices.words.join(" ")}`
        : `(${choices.words.join(" ")})`;
    case "files":
      return "_files";
    case "directories":
      return "_files -/";
    case "none":
      return " ";
  }
}

/** Without the characters that separate the parts of a specification. */
function plain(text: string): string {
  return text.replaceAll("[", "(").replaceAll("]", ")").replaceAll(":", ",");
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
