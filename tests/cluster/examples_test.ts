/** The pods of examples/pods, on a real kubelet and in a namespace that admits restricted pods only. */
import { Example, OUTPUTS } from "./example.ts";
import { testCluster } from "./cluster.ts";

for (const file of ["native-sidecar", "shared-process-namespace", "file-protocol", "kube-api"]) {
  testCluster(`example: ${file}`, async () => {
    await using example = await Example.apply(file);
    await example.judge({ phase: "Succeeded", outputs: OUTPUTS });
  });
}
