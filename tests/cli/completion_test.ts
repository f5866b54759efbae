/** Completion scripts, in the shells that they are for. */
import assert from "assert";
import { completionScript } from "../../src/cli/completion/mod.ts";
import { temporaryDirectory } from "../support/flows.ts";

type Shell = "bash" | "zsh" | "fish";

async function shell(program: Shell, args: string[], cwd: string): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(program, { args, cwd }).output();
  const complaints = new TextDecoder().decode(stderr);
  assert.equal(code, 0, complaints);
  assert.equal(complaints, "");
  return new TextDecoder().decode(stdout);
}

function isThere(program: Shell): boolean {
  try {
    return new Deno.Command(program, { args: ["-c", "true"] }).outputSync().success;
  } catch {
    return false;
  }
}

/** A test that needs a shell: bash is everywhere that this project is built, the others are installed by CI. */
function testIn(program: Shell, name: string, run: (cwd: string) => Promise<void>): void {
  const ignore = !isThere(program) && Deno.env.get("COPILOT_TEST_REQUIRE") !== "1";
  Deno.test({
    name: `completion ${program}: ${name}${ignore ? ` [needs ${program}]` : ""}`,
    ignore,
    async fn() {
      using dir = temporaryDirectory();
      dir.write("script", completionScript(program));
      dir.write("inputs.pb", "");
      dir.write("inner/file", "");
      await run(dir.at(""));
    },
  });
}

const BASH =
  'source ./script; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _copilot; printf "%s\\n" "${COMPREPLY[@]}"';

/** Words as bash takes a line apart, "=" by itself, and what the last one is completed to. */
const BASH_CASES: [words: string[], wanted: string[]][] = [
  [["copilot", "down"], ["download", "downloader"]],
  [["copilot", "--storage.stow.k"], ["--storage.stow.kind"]],
  [["copilot", "--storage.type", "m"], ["minio", "mem"]],
  [["copilot", "--storage.type", "=", "m"], ["minio", "mem"]],
  [["copilot", "--storage.type", "="], ["stow", "s3", "minio", "local", "mem", "redis"]],
  [["copilot", "--storage.type=mem", "download", "--form"], ["--format"]],
  [["copilot", "download", "--format", ""], ["JSON", "YAML", "PROTO"]],
  [["copilot", "download", "--format", "=", "Y"], ["YAML"]],
  [["copilot", "downloader", "-m", "P"], ["PROTO"]],
  [["copilot", "sidecar", "--exit-watcher-type", "=", "file,no"], ["file,noop"]],
  [["copilot", "download", "--to-local-dir", ""], ["inner"]],
  [["copilot", "download", "--from-remote", "inp"], ["inputs.pb"]],
  [["copilot", "inspect", "in"], ["inner", "inputs.pb"]],
  [["copilot", "completion", ""], ["bash", "zsh", "fish"]],
  [["copilot", "config", "v"], ["validate"]],
  [["copilot", "help", "side"], ["sidecar"]],
  [["copilot", "version", "x"], []],
];

testIn("bash", "commands, flags and values", async (cwd) => {
  for (const [words, wanted] of BASH_CASES) {
    const reply = await shell("bash", ["--norc", "-c", BASH, "bash", ...words], cwd);
    assert.deepEqual(
      reply.trim().split("\n").filter((word) => word !== "").sort(),
      [...wanted].sort(),
      words.join(" "),
    );
  }
});

testIn("bash", "both names of the program are completed", async (cwd) => {
  const reply = await shell(
    "bash",
    ["--norc", "-c", "source ./script; complete -p copilot flyte-copilot"],
    cwd,
  );
  assert.equal(reply, "complete -F _copilot copilot\ncomplete -F _copilot flyte-copilot\n");
});

const FISH_CASES: [line: string, wanted: string[]][] = [
  ["copilot down", ["download", "downloader"]],
  ["copilot --storage.type ", ["local", "mem", "minio", "redis", "s3", "stow"]],
  ["copilot download --form", ["--format"]],
  ["copilot download --format=Y", ["--format=YAML"]],
  ["copilot sidecar --start-watcher-type file,no", ["file,noop"]],
  ["copilot download --to-local-dir in", ["inner/"]],
  ["flyte-copilot config ", ["discover", "docs", "validate"]],
];

testIn("fish", "commands, flags and values", async (cwd) => {
  for (const [line, wanted] of FISH_CASES) {
    const reply = await shell("fish", ["-N", "-c", `source ./script; complete -C '${line}'`], cwd);
    const words = reply.trim().split("\n").map((each) => each.split("\t")[0]!);
    assert.deepEqual(words.sort(), [...wanted].sort(), line);
  }
});

/** Types a line and the Tab key into an interactive zsh, and ends it so that the shell repeats what it has become. */
const ZSH = `
zmodload zsh/zpty
zpty -b z zsh -f -i
zpty -w z 'PROMPT= RPROMPT=; autoload -Uz compinit; compinit -u -D; source ./script; copilot() { echo "<$*>" }; echo RE""ADY'
zpty -r z out '*READY*'
zpty -w z "$1"$'\\t'
zpty -r z out '*<*>*'
print -r -- "$out"
`;

const ZSH_CASES: [typed: string, becomes: string][] = [
  ["copilot sidec", "<sidecar>"],
  ["copilot --storage.stow.k", "<--storage.stow.kind>"],
  ["copilot download --format=Y", "<download --format=YAML>"],
  ["copilot sidecar --start-watcher-type=file,no", "<sidecar --start-watcher-type=file,noop>"],
  ["copilot completion f", "<completion fish>"],
];

testIn("zsh", "commands, flags and values", async (cwd) => {
  for (const [typed, becomes] of ZSH_CASES) {
    const reply = await shell("zsh", ["-f", "-c", ZSH, "zsh", typed], cwd);
    assert(reply.includes(becomes), `${typed} became ${JSON.stringify(reply.slice(-300))}`);
  }
});
