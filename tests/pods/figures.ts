// deno-lint-ignore-file no-console -- a command-line tool: the terminal is its output
/**
 * Figures of a sidecar in a real pod: how soon after main's end the upload begins, and what waiting costs with each watcher.
 *
 * `deno run -A tests/pods/figures.ts [RUNS] [IDLE_SECONDS]`, in the environment of .ci/stages/85-pods.sh. RUNS may be 0.
 * @module
 */
import { exampleCluster } from "./kube_cluster.ts";
import { type Pod, podman, setting, watch } from "./pod.ts";
import { type Scene, scene, SHARED } from "./scene.ts";
import { Throttle } from "./throttle.ts";

const [runs = 10, idleSeconds = 10] = Deno.args.map(Number);
/** What the kernel calls a tick. */
const TICKS_PER_SECOND = 100;

/** When a process of this machine ended, in ms of Unix time, within a millisecond or two. */
async function endOf(pid: number): Promise<number> {
  for (;;) {
    try {
      // A zombie has ended.
      if (/\) [ZX] /.test(Deno.readTextFileSync(`/proc/${pid}/stat`))) return Date.now();
    } catch {
      return Date.now();
    }
    await new Promise((wake) => setTimeout(wake, 1));
  }
}

/** Milliseconds from main's end to the sidecar's word of it, and to its first connection to the store. */
async function delays({ pod, bucket }: Scene): Promise<{ seen: number; upload: number }> {
  await using proxy = new Throttle(setting("s3"));
  await pod.sidecar(SHARED, { endpoint: proxy.url });
  const life = (1.5 + Math.random() / 5).toFixed(3);
  const script = `echo 42 >/var/outputs/number; echo x >/var/outputs/file; sleep ${life}`;
  await pod.start("main", ["sh", "-c", script], { image: setting("tools") });
  const endMs = await endOf(Number(await pod.inspect("main", "{{.State.Pid}}")));
  await pod.wait("sidecar");
  const line = (await pod.log("sidecar")).split("\n").find((one) => one.includes("has ended"))!;
  const seen = Date.parse(JSON.parse(line).ts) - endMs;
  await bucket.clear(pod.prefix);
  for (const role of ["main", "sidecar"]) await pod.forget(role);
  return { seen, upload: proxy.firstConnectionMs! - endMs };
}

function quantiles(values: number[]): string {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)]!;
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, most ${sorted.at(-1)} ms`;
}

/** A sidecar to be measured. */
interface Kind {
  name: string;
  flags: readonly string[];
  /** podman's flags for its container. */
  container?: readonly string[];
}

interface Cost {
  cpuShare: number;
  rssBytes: number;
  anonymousBytes: number;
}

/** How long a sidecar is left alone before it is measured: it has started, and found main, long before. */
const SETTLE_MS = 15_000;

/** Starts a sidecar and a main that runs on; resolves to the sidecar's pid on this machine. */
async function waitingSidecar(pod: Pod, { flags, container }: Kind): Promise<string> {
  await pod.sidecar(flags, { flags: container ?? [] });
  await pod.start("main", ["sleep", "100000"], { image: setting("tools") });
  return await pod.inspect("sidecar", "{{.State.Pid}}");
}

/** What sidecars cost that wait for a main that runs, all over the same time. */
async function costs(pids: readonly string[]): Promise<Cost[]> {
  const pause = (ms: number) => new Promise((wake) => setTimeout(wake, ms));
  await pause(SETTLE_MS);
  const before = pids.map(cpuTicks);
  await pause(idleSeconds * 1000);
  return pids.map((pid, index) => {
    const rollup = Deno.readTextFileSync(`/proc/${pid}/smaps_rollup`);
    const kib = (name: string) => Number(new RegExp(`^${name}: +(\\d+)`, "m").exec(rollup)?.[1]) * 1024;
    const cpuShare = (cpuTicks(pid) - before[index]!) / TICKS_PER_SECOND / idleSeconds;
    return { cpuShare, rssBytes: kib("Rss"), anonymousBytes: kib("Anonymous") };
  });
}

function cpuTicks(pid: string): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/^.*\) /, "").split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;

async function printDelays(): Promise<void> {
  await using here = await scene();
  const measured = [];
  for (let run = 0; run < runs; run++) measured.push(await delays(here));
  console.log(`main's end seen, ${runs} runs: ${quantiles(measured.map(({ seen }) => seen))}`);
  console.log(`first connection to the store: ${quantiles(measured.map(({ upload }) => upload))}`);
}

async function printCosts(): Promise<void> {
  await using tidy = new AsyncDisposableStack();
  const cluster = Deno.env.has("COPILOT_TEST_KUBE") ? tidy.use(await exampleCluster()) : null;
  await cluster?.report("kube-api", { running: {} });
  const kinds: Kind[] = [
    { name: "signal", flags: [] },
    { name: "shared-process-ns", flags: SHARED },
    { name: "file", flags: watch("file") },
  ];
  if (cluster !== null) kinds.push({ name: "kube-api", flags: watch("kube-api"), container: cluster.flags });
  const pids = [];
  for (const kind of kinds) {
    const { pod } = tidy.use(await scene());
    if (kind.name === "file") await Deno.writeTextFile(`${pod.volume}/_START`, "");
    pids.push(await waitingSidecar(pod, kind));
  }
  for (const [index, { cpuShare, rssBytes, anonymousBytes }] of (await costs(pids)).entries()) {
    console.log(
      `waiting ${idleSeconds} s with ${kinds[index]!.name}: ${(cpuShare * 100).toFixed(2)} % of a core, ` +
        `RSS ${megabytes(rssBytes)}, ${megabytes(anonymousBytes)} of it its own memory`,
    );
  }
}

if (runs > 0) await printDelays();
await printCosts();
const { stdout } = await podman(["image", "inspect", "--format", "{{.Size}}", setting("image")]);
console.log(`image: ${megabytes(Number(stdout))}`);
