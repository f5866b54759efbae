/** The pods of examples/pods, on a real kubelet and in a namespace that admits restricted pods only. */
import assert from "assert";
import { Namespace, testCluster } from "./cluster.ts";
import { Example, OUTPUTS, readExample } from "./example.ts";

/** Those whose task is the examples' own. */
const TASKS = [
  "native-sidecar",
  "shared-process-namespace",
  "file-protocol",
  "kube-api",
  "download-stream",
  "run-entrypoint",
];
/** Those that a test of their own has. */
const OTHERS = ["doctor", "storage"];

for (const file of TASKS) {
  testCluster(`example: ${file}`, async () => {
    await using example = await Example.apply(file);
    await example.judge({ phase: "Succeeded", outputs: OUTPUTS });
  });
}

testCluster("example: doctor finds nothing wrong with a healthy cluster", async () => {
  await using example = await Example.apply("doctor");
  const { namespace, name } = example;
  const pod = await namespace.ended(name);
  const container = pod["spec"].containers[0].name;
  assert.equal(pod["status"].phase, "Succeeded", await namespace.log(name, container));
});

testCluster("example: the NetworkPolicy is one that the API server takes", async () => {
  const namespace = await Namespace.create(`network-policy-${Date.now()}`);
  for (const manifest of await readExample("policies/network-policy.yaml")) await namespace.apply(manifest);
});

Deno.test("every file of examples/pods has a test", () => {
  const files = [...Deno.readDirSync(new URL("../../examples/pods/", import.meta.url))];
  assert.deepEqual(
    files.map(({ name }) => name.replace(".yaml", "")).sort(),
    [...TASKS, ...OTHERS].sort(),
  );
});
