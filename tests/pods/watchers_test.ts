/** Real pods, one for each way in which the sidecar learns that main has ended. */
import assert from "assert";
import { GOOD_MAIN, setting, tellsExitCodes, testPod, watch } from "./pod.ts";
import { putInputs } from "./result.ts";
import { scene, SHARED } from "./scene.ts";

testPod(
  "pod: download in an init container, main of another image, native sidecar uploads after SIGTERM",
  async () => {
    await using here = await scene({ sharesProcesses: false });
    const { pod, result } = here;
    await pod.sidecar([]);
    const inputs = await Deno.makeTempDir({ prefix: "copilot-pod-" });
    await Deno.chmod(inputs, 0o1777);
    try {
      await putInputs(here.bucket, `${pod.prefix}/in/inputs.pb`, { greeting: "hello" });
      const flags = ["--volume", `${inputs}:/var/inputs`];
      const download = await pod.run("download", pod.downloadCommand(), {
        user: "1000:1000",
        volume: false,
        flags,
      });
      assert.equal(download.code, 0, download.stderr);
      const main = await pod.main(
        `[ "$(cat /var/inputs/greeting)" = hello ] && ${GOOD_MAIN}`,
        { flags: ["--volume", `${inputs}:/var/inputs:ro`] },
      );
      assert.equal(main.code, 0, main.stderr);
      await result.assertNothing();
      assert.equal(await pod.stop("sidecar"), 0);
      await result.assertSuccess();
    } finally {
      await Deno.remove(inputs, { recursive: true });
    }
  },
);

for (const cgroups of ["host", "private"] as const) {
  testPod(`pod: shared-process-ns, other uid than main's, cgroup namespace ${cgroups}`, async () => {
    await using here = await scene({ cgroups });
    const { pod, result } = here;
    await pod.sidecar(SHARED);
    await pod.main(`sleep 1; ${GOOD_MAIN}`);
    assert.equal(await pod.wait("sidecar"), 0);
    await result.assertSuccess();
    assert.match(await pod.log("sidecar"), /"main container found".*"by":"volume"/);
  });
}

testPod(
  "pod: shared-process-ns by --watch-container, against an extra container that shares the volume and outlives main",
  async () => {
    await using here = await scene();
    const { pod, result } = here;
    await pod.start("extra", ["sh", "-c", "sleep 600"], { image: setting("tools") });
    await pod.sidecar([...SHARED, "--watch-container", "main"]);
    await pod.mainNamed("main", `sleep 1; ${GOOD_MAIN}`);
    assert.equal(await pod.wait("sidecar"), 0);
    await result.assertSuccess();
    assert.equal(await pod.inspect("extra", "{{.State.Running}}"), "true");
  },
);

testPod("pod: shared-process-ns by --watch-container-id", async () => {
  await using here = await scene();
  const { pod, result } = here;
  await pod.start("main", ["sh", "-c", `sleep 3; ${GOOD_MAIN}`], { image: setting("tools") });
  await pod.start("extra", ["sh", "-c", "sleep 600"], { image: setting("tools") });
  const id = await pod.inspect("main", "{{.Id}}");
  await pod.sidecar([...SHARED, "--watch-container-id", id.slice(0, 12)]);
  assert.equal(await pod.wait("sidecar"), 0);
  await result.assertSuccess();
});

testPod(
  "pod: shared-process-ns by the shared volume, against an extra container without it that outlives main",
  async () => {
    await using here = await scene();
    const { pod, result } = here;
    await pod.start("extra", ["sh", "-c", "sleep 600"], { image: setting("tools"), volume: false });
    await pod.sidecar(SHARED);
    await pod.main(`sleep 1; ${GOOD_MAIN}`);
    assert.equal(await pod.wait("sidecar"), 0);
    await result.assertSuccess();
  },
);

testPod(
  "pod: shared-process-ns, an exec into main that ends is not main's end, one that goes on does not hide it",
  async () => {
    await using here = await scene();
    const { pod, result } = here;
    await pod.sidecar(SHARED);
    const main = pod.main(`${GOOD_MAIN}; sleep 12; echo changed >/var/outputs/file`);
    await pod.said("sidecar", "main container found");
    await pod.exec("main", ["sleep", "0.2"]);
    await pod.exec("main", ["sleep", "600"], ["-d"]);
    await result.assertNothing();
    await main;
    assert.equal(await pod.wait("sidecar"), 0);
    await result.assertSuccess("changed\n");
  },
);

testPod("pod: shared-process-ns, main's own children and orphans do not hide its end", async () => {
  await using here = await scene();
  const { pod, result } = here;
  await pod.sidecar(SHARED);
  await pod.main(`(sleep 600 &) ; sleep 1; ${GOOD_MAIN}`);
  assert.equal(await pod.wait("sidecar"), 0);
  await result.assertSuccess();
});

testPod("pod: file, markers tell a good end and a bad one", async (t) => {
  await t.step("_SUCCESS", async () => {
    await using here = await scene({ sharesProcesses: false });
    const { pod, result } = here;
    await pod.sidecar(watch("file"));
    await pod.main(`touch /var/outputs/_START; sleep 1; ${GOOD_MAIN}; touch /var/outputs/_SUCCESS`);
    assert.equal(await pod.wait("sidecar"), 0);
    await result.assertSuccess();
  });
  await t.step("_ERROR", async () => {
    await using here = await scene({ sharesProcesses: false });
    const { pod, result } = here;
    await pod.sidecar(watch("file"));
    await pod.main(`${GOOD_MAIN}; echo "out of cheese" >/var/outputs/_ERROR; exit 1`);
    assert.equal(await pod.wait("sidecar"), 0);
    await result.assertFailure("User Error: out of cheese");
  });
  await t.step("none, but the process watcher sees the end", async () => {
    await using here = await scene();
    const { pod, result } = here;
    await pod.sidecar(watch("file,shared-process-ns"));
    await pod.main(`touch /var/outputs/_START; sleep 1; ${GOOD_MAIN}; kill -9 $$`);
    assert.equal(await pod.wait("sidecar"), 0);
    assert.match(await pod.log("sidecar"), /"by":"shared-process-ns"/);
    if (tellsExitCodes()) await result.assertFailure("exit code 137", "killed by signal 9");
    else await result.assertSuccess();
  });
});

testPod(
  "pod: shared-process-ns tells main's exit code, of another user and after a fifth of a second",
  async () => {
    await using here = await scene();
    const { pod, result } = here;
    await pod.sidecar(SHARED);
    await pod.main(`${GOOD_MAIN}; sleep 0.2; exit 3`);
    assert.equal(await pod.wait("sidecar"), 0);
    if (tellsExitCodes()) await result.assertFailure("MainContainerFailed", "exit code 3");
    else await result.assertSuccess();
  },
);

testPod("pod: UPLOAD_EAGER sends a stable file while main runs, and what changed at the end", async () => {
  await using here = await scene();
  const { pod, result, bucket } = here;
  await pod.sidecar([...SHARED, "--upload-mode", "UPLOAD_EAGER"]);
  const main = pod.main(`${GOOD_MAIN}; sleep 20; echo later >/var/outputs/file`);
  for (let left = 300; left > 0 && await bucket.get(`${pod.prefix}/raw/file`) === null; left--) {
    await new Promise((wake) => setTimeout(wake, 50));
  }
  assert.equal(new TextDecoder().decode((await bucket.get(`${pod.prefix}/raw/file`))!), "content\n");
  await result.assertNothing();
  await main;
  assert.equal(await pod.wait("sidecar"), 0);
  await result.assertSuccess("later\n");
});

testPod("pod: DOWNLOAD_STREAM feeds a main that runs beside the downloader", async () => {
  await using here = await scene();
  const { pod, result, bucket } = here;
  await putInputs(bucket, `${pod.prefix}/in/inputs.pb`, { greeting: "hello" });
  await pod.sidecar(SHARED);
  const inputs = "/var/outputs/inputs";
  const main = pod.main(
    `while [ ! -e ${inputs}/.copilot-stream/greeting ]; do sleep 0.05; done
    [ "$(cat ${inputs}/greeting)" = hello ] && ${GOOD_MAIN}`,
  );
  await pod.said("sidecar", "main container found");
  const command = [...pod.downloadCommand(inputs), "--download-mode", "DOWNLOAD_STREAM"];
  const download = await pod.run("download", command, { user: "1000:1000" });
  assert.equal(download.code, 0, download.stderr);
  assert.equal((await main).code, 0);
  assert.equal(await pod.wait("sidecar"), 0);
  await result.assertSuccess();
});

testPod("pod: noop uploads what is there", async () => {
  await using here = await scene({ sharesProcesses: false });
  const { pod, result } = here;
  await pod.main(GOOD_MAIN);
  await pod.sidecar(watch("noop"));
  assert.equal(await pod.wait("sidecar"), 0);
  await result.assertSuccess();
});
