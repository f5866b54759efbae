import assert from "assert";
import { CopilotError } from "../../src/errors.ts";
import { type Invocation, parse } from "../../src/cli/mod.ts";
import { COMMAND_TABLE, COMMANDS } from "../../src/cli/command_table.ts";
import { flagsOf } from "../../src/cli/flags.ts";

function failure(argv: readonly string[]): CopilotError {
  try {
    parse(argv);
  } catch (thrown) {
    assert(thrown instanceof CopilotError);
    assert.equal(thrown.code, "usage");
    assert.match(thrown.message, /^[A-Z].*[^.]$/s);
    return thrown;
  }
  return assert.fail(`accepted: ${argv.join(" ")}`);
}

function flagOf(invocation: Invocation, name: string): unknown {
  return invocation.flags.get(name);
}

Deno.test("grammar: each way to write a flag", () => {
  const cases: [string[], string, unknown][] = [
    [["download", "--format", "YAML"], "format", "YAML"],
    [["download", "--format=YAML"], "format", "YAML"],
    [["download", "--format="], "format", ""],
    [["download", "--from-remote=s3://b/k=v"], "from-remote", "s3://b/k=v"],
    [["download", "-m", "YAML"], "format", "YAML"],
    [["download", "-mYAML"], "format", "YAML"],
    [["download", "-m=YAML"], "format", "YAML"],
    // pflag: a lone "=" behind the letter is the value
    [["download", "-m="], "format", "="],
    [["download", "-m", "-x"], "format", "-x"],
    [["download", "--format", "--x"], "format", "--x"],
    [["download", "--format", ""], "format", ""],
    [["download", "--format", "JSON", "--format", "YAML"], "format", "YAML"],
    [["download", "--exit-on-error"], "exit-on-error", true],
    [["download", "--exit-on-error=false"], "exit-on-error", false],
    [["download", "-s"], "show-source", true],
    [["download", "-s=0"], "show-source", false],
    [["download", "-smYAML"], "format", "YAML"],
    [["download", "-sm", "YAML"], "show-source", true],
    [["download", "-v", "3"], "v", "3"],
    [["download", "-v3"], "v", "3"],
    [["download", "--as-group", "a", "--as-group=b,c"], "as-group", ["a", "b,c"]],
    [["download", "--config", "a", "--config", "b"], "config", ["a", "b"]],
  ];
  for (const [argv, name, value] of cases) assert.deepEqual(flagOf(parse(argv), name), value, argv.join(" "));
});

Deno.test("grammar: command and flags in any order, aliases", () => {
  const cases: [string[], string][] = [
    [["--namespace", "download", "sidecar"], "sidecar"],
    [["-n", "x", "download"], "download"],
    [["--exit-on-error", "download"], "download"],
    [["-s", "download"], "download"],
    [["--format", "JSON", "download"], "download"],
    [["download", "--storage.type", "mem"], "download"],
    [["downloader"], "download"],
    [["upload"], "sidecar"],
    [["uploader"], "sidecar"],
    [["version"], "version"],
    [["help"], "help"],
    [["--help"], "help"],
    [["inspect", "s3://b/k"], "inspect"],
  ];
  for (const [argv, name] of cases) assert.equal(parse(argv).command, name, argv.join(" "));
});

Deno.test("grammar: -- ends the flags", () => {
  assert.deepEqual(parse(["inspect", "--", "--odd-name"]).args, ["--odd-name"]);
  assert.deepEqual(parse(["inspect", "-"]).args, ["-"]);
});

Deno.test("grammar: what is refused names the flag and what is accepted", () => {
  const cases: [string[], RegExp][] = [
    [[], /No command given: expected one of download, sidecar/],
    [["--", "download"], /No command given/],
    [["downlaod"], /Unknown command "downlaod".*did you mean "download"/],
    [["download", "--from-remtoe", "x"], /Unknown flag "--from-remtoe", did you mean "--from-remote"/],
    [["download", "--err_output_name", "x"], /did you mean "--err-output-name"/],
    [
      ["download", "--quite-another-thing"],
      /Unknown flag "--quite-another-thing": see copilot help download$/,
    ],
    [["download", "--interface", "QQ=="], /it belongs to copilot sidecar/],
    [["download", "-z"], /Unknown flag "-z"/],
    [["download", "-s="], /Unknown flag "-="/],
    [["download", "--format"], /Cannot use --format: it needs a value/],
    [["download", "-m"], /Cannot use -m: it needs a value/],
    [["download", "---format"], /Bad flag syntax/],
    [["download", "--=x"], /Bad flag syntax/],
    [["download", "--exit-on-error", "false"], /a boolean's value stands behind "=": --exit-on-error=false/],
    [["download", "--config", "a.yaml", "b.yaml"], /quote a glob/],
    [["download", "--exit-on-error=yes"], /--exit-on-error "yes": expected true or false/],
    [["download", "--download-mode", "x"], /DOWNLOAD_EAGER, DOWNLOAD_STREAM, DO_NOT_DOWNLOAD/],
    [["sidecar", "--upload-mode", "x"], /UPLOAD_ON_EXIT, UPLOAD_EAGER, DO_NOT_UPLOAD/],
    [["sidecar", "--exit-watcher-type", "file,"], /it is|expected one of auto, signal/],
    [["sidecar", "--exit-watcher-type", "kubeapi"], /did you mean "kube-api"/],
    [["download", "--timeout", "60"], /--timeout "60": expected a duration/],
    [["download", "--input-interface", "QQ"], /--input-interface "QQ": expected base64/],
    [["sidecar", "-i", "%%%%"], /-i "%%%%": expected base64/],
    [["download", "--memory-limit", "0"], /expected bytes above 0/],
    [["download", "--memory-limit", "64MB"], /expected bytes above 0/],
    [["download", "--logger.level", "high"], /--logger.level "high": expected a whole number/],
    [["download", "--log_file_max_size", "-1"], /expected a whole number/],
    [["download", "--stderrthreshold", "LOUD"], /INFO, WARNING/],
    [["download", "--storage.type", "stowe"], /did you mean "stow"/],
    [
      ["download", "--storage.redis.addr", "x"],
      /configuration files and by environment variables only/,
    ],
    [["inspect"], /Cannot inspect: expected one document, or two with --diff, as in copilot inspect URI/],
    [["inspect", "a", "b", "c"], /Unexpected argument/],
    [["help", "a", "b"], /Unexpected argument/],
  ];
  for (const [argv, pattern] of cases) assert.match(failure(argv).message, pattern, argv.join(" "));
});

Deno.test("grammar: no command takes more arguments than it says", () => {
  for (const command of COMMANDS) {
    const { max, values } = COMMAND_TABLE[command].arguments;
    const words = Array.from({ length: max + 1 }, () => values?.[0] ?? "x.pb");
    assert.match(failure([command, ...words]).message, /Unexpected argument/, command);
  }
});

Deno.test("grammar: files are read for commands that use them, and not for their help", () => {
  const patterns = (...argv: string[]) => parse([...argv, "--config", "x.yaml"]).configPatterns;
  assert.deepEqual(patterns("download"), ["x.yaml"]);
  assert.deepEqual(patterns("inspect", "a"), ["x.yaml"]);
  for (
    const argv of [["download", "--help"], ["sidecar", "--help-all"], ["version"], ["interface", "a:int"]]
  ) {
    assert.deepEqual(patterns(...argv), [], argv.join(" "));
  }
});

Deno.test("values: whole numbers as Go's ParseInt with base 0", () => {
  const cases: [string, number | undefined][] = [
    ["0", 0],
    ["-7", -7],
    ["+5", 5],
    ["0x1F", 31],
    ["0b101", 5],
    ["0o17", 15],
    ["017", 15],
    ["1_000", 1000],
    ["9223372036854775807", Number(2n ** 63n - 1n)],
    ["9223372036854775808", undefined],
    ["08", undefined],
    ["1__0", undefined],
    ["_1", undefined],
    ["1.0", undefined],
    ["", undefined],
    [" 1", undefined],
  ];
  for (const [text, value] of cases) {
    const argv = ["download", `--storage.cache.max_size_mbs=${text}`];
    if (value === undefined) failure(argv);
    else assert.equal(flagOf(parse(argv), "storage.cache.max_size_mbs"), value, text);
  }
});

Deno.test("values: booleans as Go's ParseBool", () => {
  for (const text of ["1", "t", "T", "true", "TRUE", "True"]) {
    assert.equal(flagOf(parse(["version", `--exit-on-error=${text}`]), "exit-on-error"), true, text);
  }
  for (const text of ["0", "f", "F", "false", "FALSE", "False"]) {
    assert.equal(flagOf(parse(["version", `--exit-on-error=${text}`]), "exit-on-error"), false, text);
  }
  for (const text of ["yes", "tRUE", "", "2"]) failure(["version", `--exit-on-error=${text}`]);
});

Deno.test("values: stringToString as pflag reads it", () => {
  const cases: [string[], Record<string, string> | undefined][] = [
    [["a=1,b=2"], { a: "1", b: "2" }],
    [["a=1", "b=2"], { a: "1", b: "2" }],
    [["a=1", "a=2"], { a: "2" }],
    [["a="], { a: "" }],
    // one "=" only: no CSV, so the comma is part of the value
    [["a=1,b"], { a: "1,b" }],
    [['"a=1"'], { a: "1" }],
    [["a=b=c"], { a: "b=c" }],
    [["secret_key=abc=="], { secret_key: "abc==" }],
    [['"a=1,2","b=3"'], { a: "1,2", b: "3" }],
    [['"a=say ""hi""",b=2'], { a: 'say "hi"', b: "2" }],
    [['"a=1\nx=2",b=3'], { a: "1\nx=2", b: "3" }],
    [['json={"type":"x"}'], { json: '{"type":"x"}' }],
    [["a"], undefined],
    [[""], undefined],
    [["a=1,b,c=3"], undefined],
    [['a="1",b=2'], undefined],
    [['"a=1"x,b=2'], undefined],
    [["a=1,b=2\nc=3"], undefined],
  ];
  for (const [texts, value] of cases) {
    const argv = ["download", ...texts.map((text) => `--storage.stow.config=${text}`)];
    if (value === undefined) failure(argv);
    else assert.deepEqual(flagOf(parse(argv), "storage.stow.config"), value, texts.join(" "));
  }
});

Deno.test("values: base64 in standard encoding, with padding", () => {
  const cases: [string, number[] | undefined][] = [
    ["", []],
    ["QQ==", [65]],
    ["+/+/", [251, 255, 191]],
    [" QQ==\n", [65]],
    ["QU\nJD", [65, 66, 67]],
    ["QQ", undefined],
    ["-_-_", undefined],
    ["Q=Q=", undefined],
    ["QQ===", undefined],
  ];
  for (const [text, bytes] of cases) {
    const argv = ["sidecar", `--interface=${text}`];
    if (bytes === undefined) failure(argv);
    else assert.deepEqual(flagOf(parse(argv), "interface"), Uint8Array.from(bytes), text);
  }
});

Deno.test("values: quantities of memory", () => {
  const cases: [string, number][] = [["1", 1], ["67108864", 2 ** 26], ["64Ki", 2 ** 16], ["64Mi", 2 ** 26], [
    "1Gi",
    2 ** 30,
  ]];
  for (const [text, bytes] of cases) {
    assert.equal(flagOf(parse(["version", "--memory-limit", text]), "memory-limit"), bytes);
  }
});

Deno.test("values: klog's own types are checked", () => {
  const good: [string, string][] = [
    ["stderrthreshold", "WARNING"],
    ["stderrthreshold", "error"],
    ["alsologtostderrthreshold", "2"],
    ["v", "-1"],
    ["log_backtrace_at", "file.go:42"],
    ["log_backtrace_at", ""],
    ["vmodule", "a=1,b*=2,"],
  ];
  for (const [name, text] of good) assert.equal(flagOf(parse(["version", `--${name}=${text}`]), name), text);
  const bad: [string, string][] = [
    ["v", "x"],
    ["v", "2147483648"],
    ["log_backtrace_at", ":0"],
    ["log_backtrace_at", "file:1"],
    ["vmodule", "a"],
    ["vmodule", "=1"],
    ["vmodule", "a=-1"],
  ];
  for (const [name, text] of bad) failure(["version", `--${name}=${text}`]);
});

interface Original {
  command: string;
  name: string;
  short: string;
  type: string;
  initial: string;
}

const ORIGINAL: Original[] = Deno.readTextFileSync(new URL("../data/flags.tsv", import.meta.url)).trimEnd()
  .split("\n").slice(1)
  .map((line) => {
    const [command, name, short, type, initial] = line.split("\t") as [
      string,
      string,
      string,
      string,
      string?,
    ];
    return { command, name, short, type, initial: initial ?? "" };
  });
const SAMPLES: Record<string, string> = {
  bool: "true",
  int: "1",
  uint: "1",
  duration: "1m",
  bytesBase64: "QQ==",
  stringToString: "a=b",
  severity: "INFO",
  Level: "1",
  traceLocation: "a.go:1",
  moduleSpec: "a=1",
};

Deno.test("every flag of the original is accepted, long and short, with its own type and default", () => {
  assert.equal(ORIGINAL.length, 80);
  for (const { command, name, short, type, initial } of ORIGINAL) {
    const taker = command === "global" ? "download" : command as "download" | "sidecar";
    const flag = flagsOf(taker).find((known) => known.name === name);
    assert(flag !== undefined, `--${name}`);
    const sample = flag.values?.[0] ?? SAMPLES[type] ?? "x";
    assert(parse([taker, `--${name}=${sample}`]).flags.has(name), `--${name}`);
    if (type !== "bool") assert(parse([taker, `--${name}`, sample]).flags.has(name), `--${name} ${sample}`);
    if (command === "global") {
      assert(parse([`--${name}=${sample}`, "sidecar"]).flags.has(name), `--${name} first`);
    }
    if (short !== "") {
      assert(
        parse([taker, type === "bool" ? `-${short}` : `-${short}${sample}`]).flags.has(name),
        `-${short}`,
      );
    }
    assert.equal(flag.short ?? "", short, `shorthand of --${name}`);
    // `--config` names one file there and several here; a watcher may be a list here.
    if (name !== "config" && flag.type !== "list") assert.equal(flag.type, type, `type of --${name}`);
    const normal = initial.replace(/^"(.*)"$/, "$1").replace(/^\[(.*)\]$/, "$1").replace(
      /^(is \$HOME.*|:0)$/,
      "",
    );
    // The watchers' defaults fit both kinds of pods that the plugin has made.
    if (flag.type === "list") continue;
    assert.equal(flag.default === "0" && normal === "" ? "" : flag.default, normal, `default of --${name}`);
  }
});

Deno.test("no two flags of a command share a name or a letter, and every default is valid", () => {
  for (const command of ["download", "sidecar", "inspect"] as const) {
    const flags = flagsOf(command);
    const names = flags.map(({ name }) => name);
    const shorts = flags.flatMap(({ short }) => short ?? []);
    assert.equal(new Set(names).size, names.length);
    assert.equal(new Set(shorts).size, shorts.length);
    for (const flag of flags.filter((flag) => flag.default !== "")) {
      parse([command, `--${flag.name}=${flag.default}`, ...(command === "inspect" ? ["x"] : [])]);
    }
  }
});
