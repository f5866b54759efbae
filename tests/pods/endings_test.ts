/** Real pods that end in the ways in which pods end: killed, out of memory, evicted, in 20 ms, in mid-upload. */
import assert from "assert";
import { randomBytes } from "../support/flows.ts";
import { GOOD_MAIN, setting, tellsExitCodes, testPod, watch, WATCHING } from "./pod.ts";
import { scene, SHARED } from "./scene.ts";
import { Throttle } from "./throttle.ts";

/** Runs of the shortest main: the pods stage asks for 200 where time allows. */
const SHORT_RUNS = Number(Deno.env.get("COPILOT_TEST_POD_RUNS") ?? 20);

testPod(`pod: ${SHORT_RUNS} mains of 1 to 20 ms, none missed, none ended early`, async () => {
  await using here = await scene();
  const { pod, result, bucket } = here;
  const lives = ["", "sleep 0.005; ", "sleep 0.01; ", "sleep 0.02; "];
  for (let round = 0; round < SHORT_RUNS; round++) {
    await pod.sidecar(SHARED);
    await result.assertNothing();
    await pod.main(`${lives[round % lives.length]}${GOOD_MAIN}`);
    assert.equal(await pod.wait("sidecar"), 0, `round ${round}: ${await pod.log("sidecar")}`);
    await result.assertSuccess();
    await bucket.clear(pod.prefix);
    await pod.forget("main");
    await pod.forget("sidecar");
  }
});

testPod("pod: main killed for memory, by a sidecar of the same user: error.pb says OOMKilled", async () => {
  await using here = await scene();
  const { pod, result } = here;
  await pod.sidecar(SHARED, { user: "65532:65532" });
  const main = await pod.main(`${GOOD_MAIN}; sleep 2; tail /dev/zero`, { flags: ["--memory", "32m"] });
  assert.equal(main.code, 137);
  assert.equal(await pod.wait("sidecar"), 0);
  await result.assertFailure("OOMKilled", "memory limit 33554432");
});

testPod(
  "pod: main killed for memory before it has written its outputs, by another user: error.pb, no success",
  async () => {
    await using here = await scene();
    const { pod, result } = here;
    await pod.sidecar(SHARED);
    const main = await pod.main("sleep 1; tail /dev/zero", { flags: ["--memory", "32m"] });
    assert.equal(main.code, 137);
    assert.equal(await pod.wait("sidecar"), 0);
    if (tellsExitCodes()) await result.assertFailure("MainContainerFailed", "exit code 137", "out of memory");
    else await result.assertFailure("OutputUploadFailed", "number");
  },
);

testPod(
  "pod: evicted while main runs: error.pb says so, and no success, however complete the outputs look",
  async (t) => {
    for (const start of ["shared-process-ns", "signal"]) {
      await t.step(`start watcher ${start}`, async () => {
        await using here = await scene();
        const { pod, result } = here;
        await pod.sidecar(["--start-watcher-type", start, "--exit-watcher-type", "shared-process-ns"]);
        await pod.start("main", ["sh", "-c", `${GOOD_MAIN}; sleep 600`], { image: setting("tools") });
        await pod.said("sidecar", "main container found");
        assert.equal(await pod.stop("sidecar"), 0);
        await result.assertFailure("MainContainerInterrupted", "still ran");
      });
    }
  },
);

testPod("pod: SIGKILL in mid-upload; the restarted native sidecar finishes the work", async () => {
  await using here = await scene({ sharesProcesses: false });
  const { pod, result } = here;
  const content = randomBytes(40 * 1024 * 1024);
  await Deno.writeFile(`${pod.volume}/file`, content);
  await Deno.writeTextFile(`${pod.volume}/number`, "42\n");
  await using proxy = new Throttle(setting("s3"), { holdAfter: 12 * 1024 * 1024 });
  await pod.sidecar([], { endpoint: proxy.url });
  await pod.kill("sidecar", "TERM");
  await proxy.held;
  await pod.kill("sidecar", "KILL");
  assert.equal(await pod.wait("sidecar"), 137);
  await result.assertNothing();
  proxy.release();
  await pod.restart("sidecar");
  // A signal in the first 60 ms would be the kernel's to lose: the sidecar is process 1 of its container here.
  await pod.said("sidecar", WATCHING, 2);
  assert.equal(await pod.stop("sidecar"), 0);
  await result.assertSuccess(content);
});

testPod(
  "pod: SIGKILL in mid-upload of an ordinary sidecar, whose main is gone when it comes back",
  async () => {
    await using here = await scene();
    const { pod, result } = here;
    const content = randomBytes(40 * 1024 * 1024);
    await Deno.writeFile(`${pod.volume}/file`, content);
    await using proxy = new Throttle(setting("s3"), { holdAfter: 12 * 1024 * 1024 });
    await pod.sidecar([...SHARED, "--start-timeout", "10s"], { endpoint: proxy.url });
    await pod.main("sleep 1; echo 42 >/var/outputs/number");
    await proxy.held;
    await pod.kill("sidecar", "KILL");
    await pod.wait("sidecar");
    proxy.release();
    await pod.restart("sidecar");
    assert.equal(await pod.wait("sidecar"), 0);
    // Main cannot be seen any more; all of its outputs are there, and nothing runs that may be it.
    await result.assertSuccess(content);
    assert.match(await pod.log("sidecar"), /not seen within --start-timeout/);
  },
);

testPod("pod: a restart after a finished upload changes nothing", async () => {
  await using here = await scene();
  const { pod, result } = here;
  await pod.sidecar([...SHARED, "--start-timeout", "10s"]);
  await pod.main(`sleep 1; ${GOOD_MAIN}`);
  assert.equal(await pod.wait("sidecar"), 0);
  await pod.restart("sidecar");
  assert.equal(await pod.wait("sidecar"), 0);
  await result.assertSuccess();
  assert.match(await pod.log("sidecar"), /nothing to do: the outputs are there/);
});

testPod(
  "pod: the second SIGTERM lets error.pb out beside the upload, which goes on and takes it back",
  async () => {
    await using here = await scene({ sharesProcesses: false });
    const { pod, result } = here;
    const content = randomBytes(40 * 1024 * 1024);
    await Deno.writeFile(`${pod.volume}/file`, content);
    await Deno.writeTextFile(`${pod.volume}/number`, "42\n");
    await using proxy = new Throttle(setting("s3"), { holdAfter: 12 * 1024 * 1024, spares: 8192 });
    await pod.sidecar([], { endpoint: proxy.url });
    await pod.kill("sidecar", "TERM");
    await proxy.held;
    await pod.kill("sidecar", "TERM");
    await pod.said("sidecar", "wrote the error document");
    await result.assertFailure("The upload was cut off");
    proxy.release();
    assert.equal(await pod.wait("sidecar"), 0);
    await result.assertSuccess(content);
  },
);

testPod("pod: a native sidecar that was not told to end stays after its upload", async () => {
  await using here = await scene();
  const { pod, result } = here;
  await pod.sidecar(["--start-watcher-type", "signal", "--exit-watcher-type", "shared-process-ns,signal"]);
  await pod.main(`sleep 1; ${GOOD_MAIN}`);
  await pod.said("sidecar", "waiting to be told to end");
  await result.assertSuccess();
  assert.equal(await pod.inspect("sidecar", "{{.State.Running}}"), "true");
  assert.equal(await pod.stop("sidecar"), 0);
});

const WRONG: [name: string, flags: string[], options: { sharesProcesses?: boolean }, texts: string[]][] = [
  ["no shared process namespace", SHARED, { sharesProcesses: false }, ['"shareProcessNamespace: true"']],
  [
    "a container name that nobody has",
    [...SHARED, "--watch-container", "primary", "--start-timeout", "10s"],
    {},
    ['none is named "primary"', '"main" (id '],
  ],
  ["no main at all", [...SHARED, "--start-timeout", "2s"], {}, ["no other container was seen"]],
  ["no service account", watch("kube-api"), {}, ["automountServiceAccountToken: true", "--kubeconfig"]],
];

for (const [name, flags, options, texts] of WRONG) {
  testPod(`pod, wrong set-up: ${name}: error.pb names the mend`, async () => {
    await using here = await scene(options);
    const { pod, result } = here;
    await pod.sidecar(flags);
    const main = flags.includes("primary") ? pod.mainNamed("main", `${GOOD_MAIN}; sleep 14`) : null;
    assert.equal(await pod.wait("sidecar"), 0);
    await result.assertFailure(...texts);
    await main;
  });
}

testPod(
  "pod, wrong set-up: two containers share the output volume: error.pb names both and the mend",
  async () => {
    await using here = await scene();
    const { pod, result } = here;
    await pod.sidecar([...SHARED, "--start-timeout", "12s"]);
    for (const role of ["main", "other"]) {
      await pod.start(role, ["sh", "-c", "sleep 600"], { image: setting("tools") });
    }
    assert.equal(await pod.wait("sidecar"), 0);
    await result.assertFailure(
      "more than one mounts the output volume",
      "--watch-container NAME",
      /\(id .*\(id /,
    );
  },
);

testPod("pod, wrong set-up: a /proc with hidepid: error.pb names the mend", async () => {
  await using here = await scene();
  const { pod, result } = here;
  await pod.sidecar(SHARED, { flags: ["--security-opt", "proc-opts=hidepid=invisible"] });
  assert.equal(await pod.wait("sidecar"), 0);
  await result.assertFailure("hidepid", "expected a /proc mounted without hidepid");
});
