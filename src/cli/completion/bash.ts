/**
 * The completion script for bash 4 and later; needs nothing of the bash-completion package.
 * @module
 */
import { type Choices, type CompletedCommand, type CompletedFlag, PROGRAMS, sharedFlags } from "./model.ts";

/**
 * bash takes a word apart at "=", so that `--format=YA` arrives as three words; the script puts the flag and its value together
 * again.
 */
const FUNCTIONS = `
# The words that begin with what has been typed; of a list separated by commas, its last word.
_copilot_words() {
  local typed=$1 head=
  shift
  if [[ $_copilot_list && $typed == *,* ]]; then head=\${typed%,*},; fi
  local IFS=$'\\n'
  COMPREPLY=($(compgen -P "$head" -W "$*" -- "\${typed#"$head"}"))
}

_copilot_files() {
  local IFS=$'\\n'
  COMPREPLY=($(compgen "-$1" -- "$2"))
  compopt -o filenames 2>/dev/null
}

_copilot() {
  local cur=\${COMP_WORDS[COMP_CWORD]} flag= command= word at _copilot_list=
  COMPREPLY=()
  if [[ $cur == = ]]; then
    cur= flag=\${COMP_WORDS[COMP_CWORD - 1]}
  elif ((COMP_CWORD > 1)) && [[ \${COMP_WORDS[COMP_CWORD - 1]} == = ]]; then
    flag=\${COMP_WORDS[COMP_CWORD - 2]}
  else
    flag=\${COMP_WORDS[COMP_CWORD - 1]}
  fi
  for ((at = 1; at < COMP_CWORD; at++)); do
    word=\${COMP_WORDS[at]}
    case $word in
      COMMANDS_PATTERN) command=$word; break ;;
    esac
  done
  if [[ $flag == -* ]]; then
    _copilot_value "$command" "$flag" "$cur" && return
  fi
  if [[ $cur == -* ]]; then
    _copilot_flags "$command" "$cur"
  elif [[ ! $command ]]; then
    _copilot_words "$cur" COMMAND_WORDS
  else
    _copilot_argument "$command" "$cur"
  fi
}
`;

/** The script. */
export function bashScript(commands: readonly CompletedCommand[]): string {
  const words = commands.flatMap((command) => command.words);
  const shared = sharedFlags();
  const names = (flags: readonly CompletedFlag[]) => flags.map(({ name }) => `--${name}`).join(" ");
  return [
    '# bash completion for copilot: eval "$(copilot completion bash)"',
    FUNCTIONS.replace("COMMANDS_PATTERN", words.join(" | ")).replace("COMMAND_WORDS", words.join(" ")),
    "# What a flag's value may be; fails for a flag without one.",
    "_copilot_value() {",
    "  case $1:$2 in",
    ...commands.flatMap(valueCases),
    ...valueCases({ words: [""], flags: shared }),
    "    *) return 1 ;;",
    "  esac",
    "}",
    "",
    "_copilot_flags() {",
    "  case $1 in",
    ...commands.map(({ words, flags }) => `    ${words.join(" | ")}) _copilot_words "$2" ${names(flags)} ;;`),
    `    *) _copilot_words "$2" --version ${names(shared)} ;;`,
    "  esac",
    "}",
    "",
    "_copilot_argument() {",
    "  case $1 in",
    ...commands.map(({ words, argument }) => `    ${words.join(" | ")}) ${complete(argument, "$2")} ;;`),
    "  esac",
    "}",
    "",
    `complete -F _copilot ${PROGRAMS.join(" ")}`,
    "",
  ].join("\n");
}

function valueCases({ words, flags }: Pick<CompletedCommand, "words" | "flags">): string[] {
  return flags.filter(({ takesValue }) => takesValue).map(({ name, short, value }) => {
    const spellings = [`--${name}`, ...(short === undefined ? [] : [`-${short}`])];
    const patterns = words.flatMap((word) => spellings.map((spelling) => `${word}:${spelling}`));
    return `    ${patterns.join(" | ")}) ${complete(value, "$3")} ;;`;
  });
}

/** The command that completes a value; `typed` is the parameter that holds what there is of it. */
function complete(choices: Choices, typed: string): string {
  switch (choices.kind) {
    case "words":
      return `${choices.isList ? "_copilot_list=1; " : ""}_copilot_words "${typed}" ${
        choices.words.join(" ")
      }`;
    case "files":
      return `_copilot_files f "${typed}"`;
    case "directories":
      return `_copilot_files d "${typed}"`;
    case "none":
      return ":";
  }
}
