/**
 * The one table of commands: parsing, help, completion and the documentation are made from it.
 * @module
 */

/** What a command takes besides flags. */
export interface CommandArguments {
  min: number;
  max: number;
  /** As messages and completion call one. */
  what: string;
  /** Accepted words; absent where anything goes. */
  values?: readonly string[];
}

/** One command. */
export interface CommandRow {
  /** Other names: Flyte's own README says `downloader`. */
  aliases: readonly string[];
  /** One sentence without a period. */
  summary: string;
  usage: string;
  examples: readonly string[];
  arguments: CommandArguments;
  /** Whether it opens stores, and so takes the flags of the groups run, storage and log. */
  usesStores: boolean;
}

/** Shells that are completed. */
export const SHELLS = ["bash", "zsh", "fish"] as const;

/** What `config` does. */
export const CONFIG_ACTIONS = ["validate", "discover", "docs"] as const;

const NOTHING: CommandArguments = { min: 0, max: 0, what: "flags only" };

const TABLE = {
  download: {
    aliases: ["downloader"],
    summary: "Fetch a task's inputs into a directory, as files and as inputs.pb, inputs.json or inputs.yaml",
    usage: "copilot download --from-remote URI --to-local-dir DIR [--to-output-prefix URI] [flags]",
    examples: [
      "copilot download --from-remote s3://bucket/run/inputs.pb --to-output-prefix s3://bucket/run/out \\\n" +
      "    --to-local-dir /var/inputs",
      "copilot download -f s3://bucket/run/inputs.pb -o ./inputs --format YAML",
      "copilot --config '/etc/flyte/copilot/*.yaml' --storage.stow.kind=s3 download …",
    ],
    arguments: NOTHING,
    usesStores: true,
  },
  sidecar: {
    aliases: ["upload", "uploader"],
    summary: "Wait until the main container has ended, then upload a task's outputs and write outputs.pb",
    usage:
      "copilot sidecar --from-local-dir DIR --to-raw-output URI --to-output-prefix URI --interface BASE64 [flags]",
    examples: [
      "copilot sidecar --from-local-dir /var/outputs --to-raw-output s3://bucket/raw/1 \\\n" +
      "    --to-output-prefix s3://bucket/run/out --interface CgA= --start-watcher-type file",
      "copilot sidecar -f ./outputs -x ./raw -o ./run/out -i CgA= --start-watcher-type noop",
    ],
    arguments: NOTHING,
    usesStores: true,
  },
  run: {
    aliases: [],
    summary: "Run a task's command: fetch its inputs, run it, upload its outputs, end with its exit status",
    usage: "copilot run --inputs URI --outputs URI [flags] -- CMD ARGS…",
    examples: [
      "copilot run --inputs s3://bucket/run --outputs s3://bucket/run/out --interface CgA= -- python -m task",
      "copilot run --inputs ./run --outputs ./out --to-local-dir ./in --from-local-dir ./made -- ./task.sh",
      "copilot run --from-pod pod.yaml",
    ],
    arguments: { min: 0, max: 0, what: 'flags, then "--" and the command' },
    usesStores: true,
  },
  doctor: {
    aliases: [],
    summary: "Look at everything that a run with these flags would need, and say how to mend what is missing",
    usage: "copilot doctor [flags of a run]",
    examples: [
      "copilot doctor --config '/etc/flyte/copilot/*.yaml' --to-output-prefix s3://bucket/run/out",
      "copilot doctor --from-remote ./run/inputs.pb --to-local-dir ./in --read-only -o json",
    ],
    arguments: NOTHING,
    usesStores: true,
  },
  inspect: {
    aliases: [],
    summary: "Show an inputs.pb, outputs.pb, error.pb or interface in a readable way, or compare two",
    usage: "copilot inspect URI|DIRECTORY|-|BASE64 [flags]",
    examples: [
      "copilot inspect s3://bucket/run/out/outputs.pb --sizes",
      "copilot inspect ./run/out --output json",
      "copilot inspect --diff s3://bucket/run/1/outputs.pb s3://bucket/run/2/outputs.pb",
      "kubectl exec pod -- cat /var/inputs/inputs.pb | copilot inspect -",
    ],
    arguments: { min: 1, max: 2, what: "one document, or two with --diff" },
    usesStores: true,
  },
  interface: {
    aliases: [],
    summary: "Print the base64 that --interface takes, from words as rows:int; or the words of such a base64",
    usage: "copilot interface [--input NAME:TYPE]... NAME:TYPE...",
    examples: [
      "copilot interface rows:int sorted:file 'tags:list[str]'",
      "copilot interface CgASEgoQCgRyb3dzEggKAggBEgRyb3dz",
    ],
    arguments: { min: 1, max: 10_000, what: "outputs as NAME:TYPE, or a base64" },
    usesStores: false,
  },
  config: {
    aliases: [],
    summary: "Check configuration files, show which are read, or print all keys",
    usage: "copilot config validate|discover|docs [--config FILE]",
    examples: [
      "copilot config validate --config '/etc/flyte/copilot/*.yaml'",
      "copilot config docs >copilot.yaml",
    ],
    arguments: { min: 1, max: 1, what: "validate, discover or docs", values: CONFIG_ACTIONS },
    usesStores: true,
  },
  completion: {
    aliases: [],
    summary: "Print the script that makes a shell complete commands, flags and values",
    usage: "copilot completion bash|zsh|fish",
    examples: ['eval "$(copilot completion bash)"', "copilot completion fish | source"],
    arguments: { min: 1, max: 1, what: "bash, zsh or fish", values: SHELLS },
    usesStores: false,
  },
  ready: {
    aliases: [],
    summary: "For a sidecar's startup probe: succeed once the sidecar of this container handles SIGTERM",
    usage: "copilot ready",
    examples: ["kubectl exec pod -c copilot -- copilot ready"],
    arguments: NOTHING,
    usesStores: false,
  },
  version: {
    aliases: [],
    summary: "Print the version, the commit it was built from and the runtime",
    usage: "copilot version",
    examples: [],
    arguments: NOTHING,
    usesStores: false,
  },
  help: {
    aliases: [],
    summary: "Print this, or a command's help: copilot help download",
    usage: "copilot help [COMMAND] [--help-all]",
    examples: ["copilot help --help-all"],
    arguments: { min: 0, max: 1, what: "one command" },
    usesStores: false,
  },
} as const satisfies Record<string, CommandRow>;

/** Commands by their own names. */
export type CommandName = keyof typeof TABLE;

/** Every command by its name. */
export const COMMAND_TABLE: Readonly<Record<CommandName, CommandRow>> = TABLE;

/** Names of the commands, in the order of help. */
export const COMMANDS = Object.keys(TABLE) as readonly CommandName[];

/** Names and other names of all commands. */
export const COMMAND_WORDS: readonly string[] = COMMANDS.flatMap((
  name,
) => [name, ...COMMAND_TABLE[name].aliases]);

/** The command that a word names; undefined for a word that is none. */
export function commandOf(word: string): CommandName | undefined {
  return COMMANDS.find((name) => name === word || COMMAND_TABLE[name].aliases.includes(word));
}
