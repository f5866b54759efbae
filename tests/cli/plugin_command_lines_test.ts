/**
 * Command lines as Flyte's plugin has written them, recorded from plugin v1.15.3, v1.16.8 and v2.0.43 in all its configurations: each
 * is understood, and leads to the store that it describes.
 */
import assert from "assert";
import { type Command, parse, resolve } from "../../src/cli/mod.ts";
import { parse as parseYaml } from "yaml";
import { decode } from "../../src/flyte/codec/idl.ts";

interface Recorded {
  /** `VERSION.CONFIGURATION.TASK`. */
  pod: string;
  argv: string[];
}

const PLACES: Readonly<Record<string, string>> = {
  S3_ENDPOINT: "http://127.0.0.1:9000",
  BUCKET: "flyte",
  PREFIX: "run",
};
const PODS = new URL("../data/flyte-pods/pods/", import.meta.url);

interface Container {
  command?: string[];
  args?: string[];
}

/** The command lines of the copilots in one recorded pod. */
function recordedIn(file: string): Recorded[] {
  const text = Deno.readTextFileSync(new URL(file, PODS))
    .replace(/\{\{(\w+)\}\}/g, (whole, name) => PLACES[name] ?? whole);
  const { spec } = parseYaml(text) as {
    spec: Record<"containers" | "initContainers", Container[] | undefined>;
  };
  return [...spec.initContainers ?? [], ...spec.containers ?? []]
    .filter(({ command }) => command?.[0] === "/bin/flyte-copilot")
    .map(({ command, args }) => ({
      pod: file.replace(/\.yaml$/, ""),
      argv: [...command!.slice(1), ...args ?? []],
    }));
}

const RECORDED: Recorded[] = [...Deno.readDirSync(PODS)].map(({ name }) => name).sort().flatMap(recordedIn);

/** What the Secret of a pod with `--config` holds, key by key. */
const SECRET = [
  {
    name: "/etc/flyte/copilot/a.yaml",
    text:
      "storage:\n  type: stow\n  stow:\n    kind: s3\n    config:\n      auth_type: accesskey\n      access_key_id: testkey\n" +
      "      disable_ssl: 'true'\n      endpoint: http://127.0.0.1:9000\n      region: us-east-1\n      v2_signing: 'false'\n",
  },
  {
    name: "/etc/flyte/copilot/b.yaml",
    text: 'storage: {stow: {config: {secret_key: "testsecret\\n"}}}\n',
  },
];

async function resolved({ argv }: Recorded): Promise<Command> {
  const invocation = parse(argv);
  return await resolve(invocation, {}, invocation.configPatterns.length > 0 ? SECRET : []);
}

for (const recorded of RECORDED) {
  const { pod } = recorded;
  const name = recorded.argv.includes("sidecar") ? "sidecar" : "download";
  Deno.test(`the plugin's ${name} of ${pod} is understood as it is`, async () => {
    const command = await resolved(recorded);
    assert(command.kind === "download" || command.kind === "sidecar");
    assert.equal(command.kind, name);
    assert.deepEqual(command.warnings, []);
    const { primary, maxDownloadBytes } = command.storage;
    assert.equal(maxDownloadBytes, 0);
    assert.equal(primary.kind, "s3");
    assert.equal(primary.values.endpoint, PLACES.S3_ENDPOINT);
    assert.equal(primary.values.access_key_id, "testkey");
    assert.equal(primary.values.auth_type, "accesskey");
    assert.equal(primary.values.region, "us-east-1");
    assert.equal(primary.secrets.secret_key!.reveal(), "testsecret");
    assert.equal(command.timeoutMs, 3_600_000);
    assert.match(command.outputPrefix ?? "", /^s3:\/\/flyte\/run\//);
    if (command.kind === "download") {
      assert.match(command.from, /^s3:\/\/flyte\/run\/.*inputs\.pb$/);
      assert(decode("VariableMap", command.inputInterface!).variables.length > 0);
    } else {
      assert(decode("TypedInterface", command.interface!).outputs!.variables.length > 0);
      assert.deepEqual(command.exitWatchers, command.startWatchers);
      assert.equal(command.startTimeoutMs, pod.startsWith("v1.15") ? 30_000 : 0);
    }
  });
}

Deno.test("the recorded command lines are those of 40 pods in three versions", () => {
  assert.equal(new Set(RECORDED.map(({ pod }) => pod)).size, 40);
  assert.deepEqual([...new Set(RECORDED.map(({ pod }) => pod.replace(/^(v\d+(\.\d+)*).*/, "$1")))], [
    "v1.15.3",
    "v1.16.8",
    "v2",
  ]);
});
