/** Pods' manifests: what `copilot run --from-pod` takes from them, and which it refuses. */
import assert from "assert";
import { parse } from "../../src/cli/mod.ts";
import { readPodManifest } from "../../src/cli/pod_manifest.ts";
import { taskParts } from "../../src/cli/task.ts";
import { CopilotError } from "../../src/errors.ts";

const recorded = (name: string) =>
  Deno.readTextFileSync(new URL(`../data/pods/${name}.yaml`, import.meta.url));

Deno.test("pod manifest: both copilots' arguments, main's command and environment", async () => {
  const pod = await readPodManifest(recorded("v2.stow.template"), "pod.yaml");
  assert.equal(pod.name, "v2-stow-template");
  assert(pod.download!.includes("download") && pod.download!.includes("--storage.stow.kind=s3"));
  assert(pod.sidecar!.includes("sidecar"));
  assert.equal(pod.main.argv[0], "/bin/sh");
  assert.deepEqual(pod.main.argv.slice(-2), ["5", "bob"]);
  assert.equal(pod.main.env["_F_PN"], "v2-stow-template");
  assert.equal(pod.main.env["FLYTE_ATTEMPT_NUMBER"], "0");
  assert.deepEqual(pod.main.unknownEnv, []);
});

Deno.test("pod manifest: a task without outputs has no uploader", async () => {
  const pod = await readPodManifest(recorded("v1.16.8.stow.nooutputs"), "pod.yaml");
  assert.equal(pod.sidecar, undefined);
  assert.notEqual(pod.download, undefined);
});

/** A small pod with these containers beside a downloader. */
function pod(containers: unknown[], metadata: Record<string, unknown> = { name: "p" }): string {
  const download = { name: "d", command: ["/bin/flyte-copilot"], args: ["download", "--from-remote", "f"] };
  return JSON.stringify({ kind: "Pod", metadata, spec: { initContainers: [download], containers } });
}

Deno.test("pod manifest: $(NAME), values from elsewhere, the working directory", async () => {
  const env = [
    { name: "A", value: "a" },
    { name: "B", value: "$(A)-$(MISSING)-$$(A)" },
    { name: "C", valueFrom: { secretKeyRef: { name: "s", key: "k" } } },
    { name: "D", valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
  ];
  const main = { name: "m", command: ["run", "$(B)"], args: ["$(A)"], env, workingDir: "/work" };
  const { main: program } = await readPodManifest(pod([main], { name: "p", labels: { app: "x" } }), "p");
  assert.deepEqual(program.argv, ["run", "a-$(MISSING)-$(A)", "a"]);
  assert.deepEqual(program.env, { A: "a", B: "a-$(MISSING)-$(A)", D: "x" });
  assert.deepEqual(program.unknownEnv, ["C"]);
  assert.equal(program.workingDir, "/work");
});

Deno.test("pod manifest: main is the primary container, else the one with the pod's name, else the only one", async () => {
  const [a, b] = ["a", "b"].map((name) => ({ name, command: [name] }));
  const argv = async (text: string) => (await readPodManifest(text, "p")).main.argv;
  assert.deepEqual(await argv(pod([a, b], { name: "p", annotations: { primary_container_name: "b" } })), [
    "b",
  ]);
  assert.deepEqual(await argv(pod([a, b], { name: "a" })), ["a"]);
  assert.deepEqual(await argv(pod([b])), ["b"]);
  await assert.rejects(argv(pod([a, b])), /which container is main cannot be told \("a", "b"\)/);
});

for (
  const [text, expected] of [
    ["", /holds no mapping/],
    ["a: [", /not valid YAML/],
    ["kind: List", /its kind is List/],
    ["kind: Pod\nspec: {containers: [{name: m}]}", /none of its containers is a copilot/],
  ] as const
) {
  Deno.test(`pod manifest: ${JSON.stringify(text)} is refused`, async () => {
    await assert.rejects(
      readPodManifest(text, "pod.yaml"),
      (error) => error instanceof CopilotError && error.code === "config" && expected.test(error.message),
    );
  });
}

Deno.test("copilot run: what is typed wins over the manifest, settings of a store key by key", async () => {
  const manifest = await readPodManifest(recorded("v2.stow.template"), "pod.yaml");
  const typed = parse(["run", "--from-pod=x", "--storage.stow.config=endpoint=http://here", "--format=YAML"]);
  const { download, sidecar } = taskParts(typed, manifest);
  const stow = download!.flags.get("storage.stow.config") as Record<string, string>;
  assert.deepEqual([stow["endpoint"], stow["access_key_id"]], ["http://here", "testkey"]);
  assert.equal(download!.flags.get("format"), "YAML");
  assert.equal(sidecar.flags.get("to-output-prefix"), "./v2-stow-template-outputs");
  assert.equal(sidecar.flags.get("to-raw-output"), "./v2-stow-template-outputs");
  assert.match(String(download!.flags.get("from-remote")), /inputs\.pb$/);
});

Deno.test("copilot run --inputs: the document, or the directory that holds it", () => {
  for (
    const [inputs, expected] of [["s3://b/in", "s3://b/in/inputs.pb"], ["./x/", "./x/inputs.pb"], [
      "y.pb",
      "y.pb",
    ]]
  ) {
    const { download } = taskParts(
      parse(["run", `--inputs=${inputs}`, "--outputs=o", "--", "true"]),
      undefined,
    );
    assert.equal(download!.flags.get("from-remote"), expected);
  }
});

Deno.test("copilot run: a task without inputs downloads nothing", () => {
  const { download, sidecar, program } = taskParts(
    parse(["run", "--outputs=o", "--", "a", "--b"]),
    undefined,
  );
  assert.equal(download, undefined);
  assert.equal(sidecar.flags.get("from-local-dir"), "/var/outputs");
  assert.deepEqual(program.argv, ["a", "--b"]);
});
