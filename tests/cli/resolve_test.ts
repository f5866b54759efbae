import assert from "assert";
import {
  type Command,
  type DownloadCommand,
  FLAGS,
  parse,
  resolve,
  type SidecarCommand,
} from "../../src/cli/mod.ts";
import { flagsOf } from "../../src/cli/flags.ts";
import { flagTables } from "../../src/cli/flag_docs.ts";
import { helpText } from "../../src/cli/help.ts";
import { COMMANDS } from "../../src/cli/command_table.ts";
import { keysOfKind, STOW_KINDS } from "../../src/config/mod.ts";
import { CopilotError } from "../../src/errors.ts";
import { VERSION, versionText } from "../../src/cli/version.ts";
import { withFlagTables } from "../../scripts/flag_tables.ts";

const DOWNLOAD = [
  "download",
  "--from-remote",
  "s3://b/in",
  "--to-output-prefix",
  "s3://b/out",
  "--to-local-dir",
  "/d",
];
const SIDECAR = [
  "sidecar",
  "--from-local-dir",
  "/d",
  "--to-raw-output",
  "s3://b/raw",
  "--to-output-prefix",
  "s3://b/out",
];

async function command<C extends Command>(
  argv: readonly string[],
  env: Record<string, string> = {},
): Promise<C> {
  return await resolve(parse(argv), env, []) as C;
}

/** The lines that Flyte's plugin writes, as spec and plugin have them. */
const PLUGIN_STORAGE = [
  "--storage.limits.maxDownloadMBs=0",
  "--logger.level=3",
  "--storage.enable-multicontainer",
  "--storage.container=flyte-data",
  "--storage.type=stow",
  "--config",
  "/etc/flyte/copilot/*.yaml",
  "--storage.stow.config",
  "auth_type=accesskey",
  "--storage.stow.config",
  "access_key_id=AKIAEXAMPLE",
  "--storage.stow.config",
  "secret_key=wJalrXUtnFEMI/K7MDENG==",
  "--storage.stow.config",
  "region=eu-west-1",
  "--storage.stow.kind=s3",
];

Deno.test("the plugin's command line for download works unchanged", async () => {
  const argv = [
    ...PLUGIN_STORAGE,
    ..."download --from-remote s3://flyte-data/in/inputs.pb --to-output-prefix s3://flyte-data/out --to-local-dir /var/inputs"
      .split(" "),
    ..."--format YAML --file-input-layout NAMED_DIR --input-interface CgA=".split(" "),
  ];
  assert.deepEqual(parse(argv).configPatterns, ["/etc/flyte/copilot/*.yaml"]);
  const download = await command<DownloadCommand>(argv);
  assert.equal(download.kind, "download");
  assert.equal(download.from, "s3://flyte-data/in/inputs.pb");
  assert.equal(download.outputPrefix, "s3://flyte-data/out");
  assert.equal(download.localDir, "/var/inputs");
  assert.equal(download.format, "YAML");
  assert.equal(download.layout, "NAMED_DIR");
  assert.equal(download.mode, "DOWNLOAD_EAGER");
  assert.deepEqual(download.inputInterface, Uint8Array.from([10, 0]));
  assert.equal(download.timeoutMs, 3_600_000);
  assert.equal(download.errOutputName, "error.pb");
  assert.equal(download.exitOnError, undefined);
  assert.equal(download.memoryLimitBytes, undefined);
  assert.deepEqual(download.log, { level: 3, format: "auto" });
  assert.deepEqual(download.warnings, []);
  const { storage } = download;
  assert.equal(storage.maxDownloadBytes, 0);
  assert.deepEqual(storage.primary.values, {
    auth_type: "accesskey",
    access_key_id: "AKIAEXAMPLE",
    region: "eu-west-1",
  });
  assert.equal(storage.primary.secrets["secret_key"]!.reveal(), "wJalrXUtnFEMI/K7MDENG==");
});

Deno.test("the plugin's command line for sidecar works unchanged", async () => {
  const argv = [
    ...PLUGIN_STORAGE,
    ..."sidecar --timeout 1h0m0s --to-raw-output s3://flyte-data/raw --to-output-prefix s3://flyte-data/out"
      .split(" "),
    ..."--from-local-dir /var/outputs --interface EgA=".split(" "),
  ];
  const sidecar = await command<SidecarCommand>(argv);
  assert.equal(sidecar.kind, "sidecar");
  assert.equal(sidecar.rawPrefix, "s3://flyte-data/raw");
  assert.equal(sidecar.outputPrefix, "s3://flyte-data/out");
  assert.equal(sidecar.localDir, "/var/outputs");
  assert.deepEqual(sidecar.interface, Uint8Array.from([18, 0]));
  assert.equal(sidecar.timeoutMs, 3_600_000);
  assert.equal(sidecar.startTimeoutMs, 0);
  assert.equal(sidecar.metaOutputName, "outputs.pb");
  assert.equal(sidecar.mode, "UPLOAD_ON_EXIT");
  assert.deepEqual(sidecar.startWatchers, ["auto"]);
  assert.deepEqual(sidecar.exitWatchers, ["auto"]);
  assert.equal(sidecar.exitAfterUpload, "auto");
});

Deno.test("sidecar: watchers, their order, synonym and repetition", async () => {
  const watchers = (list: string) =>
    command<SidecarCommand>([...SIDECAR, "--exit-watcher-type", list]).then((c) => c.exitWatchers);
  assert.deepEqual(await watchers("file,shared-process-namespace"), ["file", "shared-process-ns"]);
  assert.deepEqual(await watchers("shared-process-ns,shared-process-namespace,kube-api"), [
    "shared-process-ns",
    "kube-api",
  ]);
  assert.deepEqual(await watchers("noop, signal"), ["noop", "signal"]);
});

Deno.test("sidecar: exit-after-upload has three states", async () => {
  const state = (...flags: string[]) =>
    command<SidecarCommand>([...SIDECAR, ...flags]).then((c) => c.exitAfterUpload);
  assert.equal(await state(), "auto");
  assert.equal(await state("--exit-after-upload"), true);
  assert.equal(await state("--exit-after-upload=false"), false);
});

Deno.test("sidecar: the pod's names from flags, else from the downward API", async () => {
  const env = { POD_NAME: "p-env", POD_NAMESPACE: "n-env", WATCH_CONTAINER: "main", KUBECONFIG: "/k" };
  const fromEnv = await command<SidecarCommand>(SIDECAR, env);
  assert.deepEqual(fromEnv.kube, {
    kubeconfig: "/k",
    context: undefined,
    namespace: "n-env",
    podName: "p-env",
  });
  assert.equal(fromEnv.watchContainer, "main");
  const flags = ["-n", "n", "--pod-name", "p", "--watch-container", "c", "--watch-container-id", "ab12"];
  const fromFlags = await command<SidecarCommand>([...SIDECAR, ...flags], env);
  assert.equal(fromFlags.kube.namespace, "n");
  assert.equal(fromFlags.kube.podName, "p");
  assert.equal(fromFlags.watchContainer, "c");
  assert.equal(fromFlags.watchContainerId, "ab12");
});

Deno.test("a wrong --format or --file-input-layout is no usage error: the download itself fails, as the original's", async () => {
  for (const format of ["XML", "json"]) {
    assert.equal((await command<DownloadCommand>([...DOWNLOAD, "--format", format])).format, format);
  }
  assert.equal((await command<DownloadCommand>([...DOWNLOAD, "--file-input-layout=FLAT"])).layout, "FLAT");
});

Deno.test("resolve: what cannot be done without is asked for by name, all at once", async () => {
  const cases: [string[], RegExp][] = [
    [["download"], /--from-remote, --to-local-dir missing/],
    [["sidecar", "-f", "/d"], /--to-raw-output, --to-output-prefix missing/],
    [[...DOWNLOAD, "--timeout=-1s"], /Cannot use --timeout: it is negative, expected 0/],
    [[...SIDECAR, "--start-timeout=-1s"], /--start-timeout/],
    [[...DOWNLOAD, "--storage.limits.maxDownloadMBs=-1"], /--storage.limits.maxDownloadMBs: it is negative/],
    [[...DOWNLOAD, "--err-output-name="], /--err-output-name: it is empty/],
    [["help", "dwonload"], /did you mean "download"/],
  ];
  for (const [argv, pattern] of cases) {
    await assert.rejects(
      command(argv),
      (error: CopilotError) => error.code === "usage" && pattern.test(error.message),
      argv.join(" "),
    );
  }
});

Deno.test("resolve: 0 is no bound", async () => {
  assert.equal((await command<DownloadCommand>([...DOWNLOAD, "--timeout", "0"])).timeoutMs, 0);
  assert.equal((await command<SidecarCommand>([...SIDECAR, "-t0s"])).timeoutMs, 0);
});

Deno.test("resolve: log settings", async () => {
  const log = async (flags: string[], env = {}) =>
    (await command<DownloadCommand>([...DOWNLOAD, ...flags], env)).log;
  assert.deepEqual(await log([]), { level: "auto", format: "auto" });
  assert.deepEqual(await log(["--logger.level=5", "--logger.formatter.type=text"]), {
    level: 5,
    format: "text",
  });
  assert.deepEqual(await log([], { "LOGGER.LEVEL": "6" }), { level: 6, format: "auto" });
  assert.deepEqual(await log(["--logger.level=5", "--logger.mute"]), { level: 0, format: "auto" });
});

Deno.test("resolve: inspect", async () => {
  const { warnings: _, storage: __, log: ___, ...inspect } = await command<
    Extract<Command, { kind: "inspect" }>
  >([
    "inspect",
    "s3://b/outputs.pb",
    "-ojson",
    "--kind=literals",
  ]);
  assert.deepEqual(inspect, {
    kind: "inspect",
    documents: ["s3://b/outputs.pb"],
    diff: false,
    telemetry: undefined,
    sizes: false,
    output: "json",
    documentKind: "literals",
    exitOnError: undefined,
    memoryLimitBytes: undefined,
  });
  assert.equal(
    (await command<Extract<Command, { kind: "inspect" }>>(["inspect", "x"])).documentKind,
    undefined,
  );
});

Deno.test("resolve: inspect compares two documents, and shows one", async () => {
  await assert.rejects(
    command(["inspect", "a", "b"]),
    /2 documents are given, expected one, or two with --diff/,
  );
  await assert.rejects(command(["inspect", "a", "--diff"]), /1 documents are given, expected two for --diff/);
  const made = await command<Extract<Command, { kind: "inspect" }>>([
    "inspect",
    "--diff",
    "a",
    "b",
    "--sizes",
  ]);
  assert.deepEqual([made.documents, made.diff, made.sizes], [["a", "b"], true, true]);
});

Deno.test("kube-api: flags of a Kubernetes client that it does not read are warned about", async () => {
  const argv = [
    ...SIDECAR,
    "--exit-watcher-type",
    "kube-api",
    "--server",
    "https://x",
    "--token",
    "t0ps3cret",
  ];
  const { warnings } = await command<SidecarCommand>(argv);
  assert.deepEqual(warnings, ["kube-api does not read --server, --token: use --kubeconfig"]);
  assert.deepEqual((await command<SidecarCommand>([...SIDECAR, "--server", "https://x"])).warnings, []);
});

async function help(...argv: string[]): Promise<string> {
  const made = await command<Command>(argv);
  assert.equal(made.kind, "print");
  return (made as Extract<Command, { kind: "print" }>).text;
}

Deno.test("help: a command's own flags with defaults and environment; --help needs nothing else", async () => {
  for (const name of COMMANDS) {
    const text = await help(name === "help" ? "download" : name, "--help");
    for (const flag of FLAGS.filter((known) => known.scope === name)) {
      assert(text.includes(`--${flag.name}`) && text.includes(flag.default), `${name}: --${flag.name}`);
    }
    assert(!text.includes("--storage.type"), name);
    for (const line of text.split("\n")) assert(line.length <= 120, line);
  }
  assert.match(helpText("sidecar", { all: false }), /environment\s+POD_NAME/);
  assert.match(helpText(undefined, { all: false }), /Exit status:\n +0/);
  assert.equal(await help("uploader", "-h"), helpText("sidecar", { all: false }));
  assert.equal(await help("help", "downloader"), helpText("download", { all: false }));
  assert.equal(await help("-h"), helpText(undefined, { all: false }));
});

Deno.test("help: --help-all has every flag of a command", async () => {
  for (const name of ["download", "sidecar", "inspect"] as const) {
    const text = await help(name, "--help-all");
    assert(text.startsWith(helpText(name, { all: false }).slice(0, 200)), "the command's own come first");
    for (const flag of flagsOf(name)) assert(text.includes(`--${flag.name}`), `${name}: --${flag.name}`);
    assert.equal(await help("help", name, "--help-all"), text);
  }
  assert.match(await help("--help-all"), /--storage\.type/);
});

Deno.test("secrets: no message, help text or JSON repeats one", async () => {
  const secret = "Sw0rdf1sh/Sw0rdf1sh+00";
  const texts: string[] = [];
  const lines = [
    ["download", `--storage.stow.config=${secret}`],
    ["download", `--storage.stow.config=a=b,${secret},c=d`],
    ["download", `--storage.stow.config="secret_key=${secret}"x=`],
    ["download", `--storage.stow.confg=secret_key=${secret}`],
    ["download", `--storage.stow.config`, "a=b", `secret_key=${secret}`],
    ["download", "--token=", secret],
    [secret],
    ["download", `--${secret}`],
    ["help", secret],
    [...DOWNLOAD, `--storage.stow.config=secret_key=${secret}`, "--timeout=x"],
    [...DOWNLOAD, `--storage.stow.config=secret_key=${secret}`, "--storage.limits.maxDownloadMBs=-1"],
    [...DOWNLOAD, `--storage.stow.config=secretkey=${secret}`, `--password=${secret}`],
    [
      ...DOWNLOAD,
      `--storage.stow.config=secret_key=${secret},token=${secret},json=${secret},key=${secret},password=${secret}`,
    ],
    [...DOWNLOAD, `--storage.stow.config=secret_key=${secret}`, "--help"],
  ];
  const env = { "STORAGE.CONNECTION.SECRET_KEY": secret, STORAGE_STOW_CONFIG: secret };
  for (const argv of lines) {
    for (const variables of [{}, env]) {
      try {
        const made = await command(argv, variables);
        texts.push(JSON.stringify(made), Deno.inspect(made, { depth: 20 }), String(made));
      } catch (thrown) {
        assert(thrown instanceof CopilotError);
        assert.match(thrown.code, /^(usage|config)$/);
        texts.push(thrown.message, String(thrown.object), Deno.inspect(thrown, { depth: 20 }));
      }
    }
  }
  for (const text of texts) {
    assert(!text.includes("Sw0rdf1sh"), text.replaceAll("Sw0rdf1sh", "<secret>").slice(0, 400));
  }
});

Deno.test("the tables of docs/flags.md name every flag, and are placed between the markers again and again", () => {
  const tables = flagTables();
  for (const { name } of FLAGS) assert(tables.includes(name), name);
  for (const kind of STOW_KINDS) {
    for (const key of keysOfKind(kind)) assert(tables.includes(`| ${kind} | \`${key}\``), key);
  }
  const once = withFlagTables("# x\n<!-- flags:begin -->\nstale text\n<!-- flags:end -->\nrest\n");
  assert(
    once.startsWith("# x\n<!-- flags:begin -->\n") && once.endsWith("<!-- flags:end -->\nrest\n") &&
      !once.includes("stale text"),
  );
  assert.equal(withFlagTables(once), once);
  assert.throws(() => withFlagTables("no markers"), /expected <!-- flags:begin -->/);
});

Deno.test("version: as deno.json says", () => {
  const { version } = JSON.parse(Deno.readTextFileSync(new URL("../../deno.json", import.meta.url)));
  assert.equal(VERSION, version);
  assert.equal(
    versionText({ deno: "2.7.14", os: "linux", arch: "x86_64" }),
    `copilot ${version} (from source, deno 2.7.14, linux x86_64)\n`,
  );
});
