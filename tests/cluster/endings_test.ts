/** Pods that end badly, on a real kubelet: out of memory, deleted in mid-run, with a sidecar that was killed. */
import assert from "assert";
import { containersOf, IMAGES, type Manifest, statusesOf, testCluster } from "./cluster.ts";
import { type Change, Example, OUTPUTS } from "./example.ts";

/** Makes main do something else, and gives it the memory limit that is asked for. */
function main(script: string, memory?: string): Change {
  return (pod) => {
    const container = containersOf(pod).find(({ name }) => name === "main")!;
    container.args = [script];
    if (memory !== undefined) container.resources.limits = { ...container.resources.limits, memory };
  };
}

/** Both outputs of the examples' task. */
const GOOD = "cd /var/flyte/outputs && seq 100 -1 59 | sort >sorted && wc -l <sorted >rows";

function runs(pod: Manifest | null, name: string): boolean {
  return pod !== null && statusesOf(pod).some((one) => one.name === name && one.state.running !== undefined);
}

/** Kills every process of a container with SIGKILL, as the kernel would. */
function kill(pod: Manifest, container: string): void {
  const id = statusesOf(pod).find(({ name }) => name === container)!.containerID!.split("//")[1]!;
  const pids = [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter((pid) =>
    pid > 0 && readOrEmpty(`/proc/${pid}/cgroup`).includes(id)
  );
  assert(pids.length > 0, `processes of ${container}`);
  for (const pid of pids) Deno.kill(pid, "SIGKILL");
}

function readOrEmpty(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}

for (const file of ["shared-process-namespace", "kube-api"]) {
  testCluster(
    `${file}: main is killed for memory after it has written its outputs: the error says so`,
    async () => {
      await using example = await Example.apply(file, main(`${GOOD}; sleep 2; tail /dev/zero`, "32Mi"));
      const error = { origin: "USER", code: "OOMKilled", message: ["out of memory|memory limit|OOMKilled"] };
      await example.judge({ phase: "Failed", error });
    },
  );
}

testCluster(
  "kube-api: main fails after it has written its outputs: the error has its exit code",
  async () => {
    await using example = await Example.apply("kube-api", main(`${GOOD}; exit 7`));
    await example.judge({ phase: "Failed", error: { origin: "USER", message: ["exit code 7"] } });
  },
);

testCluster(
  "native-sidecar: a main that ends at once is not started before its slow sidecar handles SIGTERM",
  async () => {
    await using example = await Example.apply("native-sidecar", (pod) => {
      const spec = pod["spec"];
      const [uploader] = spec.initContainers;
      spec.initContainers = [uploader];
      uploader.image = IMAGES.task;
      // Until then SIGTERM is lost on process 1, and the pod would stay for its whole grace.
      uploader.command = ["sh", "-c", 'sleep 5; exec copilot "$@"', "sh"];
      main(GOOD)(pod);
    });
    await example.judge({ phase: "Succeeded", outputs: OUTPUTS });
  },
);

testCluster("native-sidecar: main is killed for memory before it has written an output", async () => {
  await using example = await Example.apply("native-sidecar", main("sleep 1; tail /dev/zero", "32Mi"));
  await example.judge({ phase: "Failed", error: { origin: "USER", message: ["rows|sorted"] } });
});

testCluster(
  "native-sidecar: the sidecar is killed while main runs, and the kubelet starts it again",
  async () => {
    await using example = await Example.apply("native-sidecar", main(`sleep 6; ${GOOD}`));
    const { namespace, name } = example;
    const pod = await namespace.until(name, (pod) => runs(pod, "main"));
    kill(pod!, "flyte-copilot-uploader");
    await example.judge({ phase: "Succeeded", outputs: OUTPUTS, restarts: { "flyte-copilot-uploader": 1 } });
  },
);

for (const file of ["shared-process-namespace", "kube-api"]) {
  testCluster(
    `${file}: the pod is deleted while main runs: no success, however complete its outputs look`,
    async () => {
      await using example = await Example.apply(file, main(`trap '' TERM; ${GOOD}; sleep 600`));
      await deleteInMidRun(example);
      assert.deepEqual(await documents(example), ["error.pb"]);
    },
  );
}

testCluster("native-sidecar: the pod is deleted before main has written its outputs: an error", async () => {
  await using example = await Example.apply("native-sidecar", main("sleep 600"));
  await deleteInMidRun(example);
  assert.deepEqual(await documents(example), ["error.pb"]);
});

/** How main's container has ended. */
async function exitCode({ namespace, name }: Example): Promise<number | undefined> {
  const pod = await namespace.ended(name);
  return statusesOf(pod).find((one) => one.name === "main")!.state.terminated?.exitCode;
}

/** Both outputs, where the example that is its own entrypoint wants them. */
const GOOD_RUN = "cd /data/outputs && seq 100 -1 59 | sort >sorted && wc -l <sorted >rows";

testCluster("run-entrypoint: the command's exit code is the container's, and the error has it", async () => {
  await using example = await Example.apply("run-entrypoint", main(`${GOOD_RUN}; exit 7`));
  await example.judge({ phase: "Failed", error: { origin: "USER", message: ["status 7"] } });
  assert.equal(await exitCode(example), 7);
});

testCluster(
  "run-entrypoint: a command that is killed for memory: status 137, and the error says so",
  async () => {
    await using example = await Example.apply(
      "run-entrypoint",
      main(`${GOOD_RUN}; exec tail /dev/zero`, "192Mi"),
    );
    await example.judge({ phase: "Failed", error: { origin: "USER", code: "OOMKilled" } });
    assert.equal(await exitCode(example), 137);
  },
);

testCluster("run-entrypoint: a deleted pod's SIGTERM is the command's, and there is no success", async () => {
  await using example = await Example.apply("run-entrypoint", main(`${GOOD_RUN}; exec sleep 600`));
  await deleteInMidRun(example);
  assert.deepEqual(await documents(example), ["error.pb"]);
});

async function deleteInMidRun({ namespace, name }: Example): Promise<void> {
  await namespace.until(name, (pod) => runs(pod, "main"));
  // Long enough for the script to get where it waits, and the watchers to see it.
  await new Promise((wake) => setTimeout(wake, 3000));
  await namespace.delete(name, 10);
  await namespace.until(name, (pod) => pod === null);
}

/** Names of what stands beside inputs.pb. */
async function documents({ bucket, places }: Example): Promise<string[]> {
  const keys = await bucket.keys(`${places.outputs}/`);
  return keys.map((key) => key.slice(places.outputs.length + 1)).filter((name) => name !== "inputs.pb");
}
