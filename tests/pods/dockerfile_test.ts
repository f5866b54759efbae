/** The images that the Dockerfile makes, as a cluster with restricted pods runs them. */
import assert from "assert";
import { GOOD_MAIN, setting, testPod } from "./pod.ts";
import { putInputs } from "./result.ts";
import { scene } from "./scene.ts";

const IMAGES = [["scratch", "scratchImage"], ["distroless", "distrolessImage"]] as const;

for (const [variant, name] of IMAGES) {
  testPod(
    `Dockerfile, ${variant}: download and sidecar as non-root, root read-only, without a capability`,
    async () => {
      const image = setting(name);
      await using here = await scene({ sharesProcesses: false });
      const { pod, result, bucket } = here;
      await putInputs(bucket, `${pod.prefix}/in/inputs.pb`, { greeting: "hello" });
      const download = await pod.run("download", pod.downloadCommand("/var/outputs/inputs"), { image });
      assert.equal(download.code, 0, download.stderr);
      assert.equal(await Deno.readTextFile(`${pod.volume}/inputs/greeting`), "hello");
      await pod.sidecar([], { image, user: "65532:65532" });
      await pod.main(GOOD_MAIN);
      assert.equal(await pod.stop("sidecar"), 0);
      await result.assertSuccess();
    },
    [name, "tools", "s3"],
  );
}
