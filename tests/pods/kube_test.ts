/** Real pods beside a real API server, to which the test reports what podman says of main, as a kubelet does. */
import assert from "assert";
import { exampleCluster, type Namespace } from "./kube_cluster.ts";
import { GOOD_MAIN, type Pod, testPod, watch } from "./pod.ts";
import { scene } from "./scene.ts";

const NEEDS = ["image", "tools", "s3", "kube", "kubeDir"] as const;

/** Runs main and reports its life. */
async function live(pod: Pod, namespace: Namespace, script: string, flags: string[] = []): Promise<void> {
  await namespace.report("kube-api", { running: {} });
  const { code } = await pod.main(script, { flags });
  const reason = code === 0 ? "Completed" : code === 137 ? "OOMKilled" : "Error";
  await namespace.report("kube-api", { terminated: { exitCode: code, reason } });
}

const FLAGS = watch("kube-api", "--watch-container", "main");

testPod("pod: kube-api with the example's Role", async () => {
  await using namespace = await exampleCluster();
  await using here = await scene({ sharesProcesses: false });
  const { pod, result } = here;
  await pod.sidecar(FLAGS, { flags: namespace.flags });
  await live(pod, namespace, `sleep 1; ${GOOD_MAIN}`);
  assert.equal(await pod.wait("sidecar"), 0);
  await result.assertSuccess();
}, [...NEEDS]);

testPod(
  "pod: kube-api, main killed for memory after it has written its outputs: error.pb says OOMKilled and the exit code",
  async () => {
    await using namespace = await exampleCluster();
    await using here = await scene({ sharesProcesses: false });
    const { pod, result } = here;
    await pod.sidecar(FLAGS, { flags: namespace.flags });
    await live(pod, namespace, `${GOOD_MAIN}; tail /dev/zero`, ["--memory", "32m"]);
    assert.equal(await pod.wait("sidecar"), 0);
    await result.assertFailure("OOMKilled", "exit code 137");
  },
  [...NEEDS],
);

testPod("pod: kube-api, main that ends before the sidecar looks", async () => {
  await using namespace = await exampleCluster();
  await using here = await scene({ sharesProcesses: false });
  const { pod, result } = here;
  await live(pod, namespace, GOOD_MAIN);
  await pod.sidecar(FLAGS, { flags: namespace.flags });
  assert.equal(await pod.wait("sidecar"), 0);
  await result.assertSuccess();
}, [...NEEDS]);

testPod("pod, wrong set-up: kube-api without its RoleBinding: error.pb names the rule", async () => {
  await using namespace = await exampleCluster(["RoleBinding"]);
  await using here = await scene({ sharesProcesses: false });
  const { pod, result } = here;
  await pod.sidecar(FLAGS, { flags: namespace.flags });
  assert.equal(await pod.wait("sidecar"), 0);
  await result.assertFailure("403", 'expected a Role in namespace "', "verbs: [list, watch]");
}, [...NEEDS]);

testPod(
  "pod, wrong set-up: kube-api and a container name that the pod does not have: error.pb lists those it has",
  async () => {
    await using namespace = await exampleCluster();
    await using here = await scene({ sharesProcesses: false });
    const { pod, result } = here;
    await pod.sidecar(watch("kube-api", "--watch-container", "primary"), { flags: namespace.flags });
    assert.equal(await pod.wait("sidecar"), 0);
    await result.assertFailure('"primary"', '"main", "copilot"');
  },
  [...NEEDS],
);
