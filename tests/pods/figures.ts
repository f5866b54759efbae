// deno-lint-ignore-file no-console -- a command-line tool: the terminal is its output
/**
 * Figures of a sidecar in a real pod: how soon after main's end the upload begins, and what waiting costs.
 *
 * `deno run -A tests/pods/figures.ts [RUNS] [IDLE_SECONDS]`, in the environment of .ci/stages/85-pods.sh.
 * @module
 */
import { type Pod, podman, setting } from "./pod.ts";
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

interface Cost {
  cpuShare: number;
  rssBytes: number;
  anonymousBytes: number;
}

/** What a sidecar costs that waits for a main that runs. */
async function cost(pod: Pod, flags: readonly string[]): Promise<Cost> {
  await pod.sidecar(flags);
  await pod.start("main", ["sleep", "100000"], { image: setting("tools") });
  await new Promise((wake) => setTimeout(wake, 8000));
  const pid = await pod.inspect("sidecar", "{{.State.Pid}}");
  const before = cpuTicks(pid);
  await new Promise((wake) => setTimeout(wake, idleSeconds * 1000));
  const cpuShare = (cpuTicks(pid) - before) / TICKS_PER_SECOND / idleSeconds;
  const rollup = Deno.readTextFileSync(`/proc/${pid}/smaps_rollup`);
  const kib = (name: string) => Number(new RegExp(`^${name}: +(\\d+)`, "m").exec(rollup)?.[1]) * 1024;
  return { cpuShare, rssBytes: kib("Rss"), anonymousBytes: kib("Anonymous") };
}

function cpuTicks(pid: string): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/^.*\) /, "").split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;

{
  await using here = await scene();
  const measured = [];
  for (let run = 0; run < runs; run++) measured.push(await delays(here));
  console.log(`main's end seen, ${runs} runs: ${quantiles(measured.map(({ seen }) => seen))}`);
  console.log(`first connection to the store: ${quantiles(measured.map(({ upload }) => upload))}`);
}
for (const [name, flags] of Object.entries({ signal: [], "shared-process-ns": SHARED })) {
  await using here = await scene();
  const { cpuShare, rssBytes, anonymousBytes } = await cost(here.pod, flags);
  const percent = (cpuShare * 100).toFixed(2);
  console.log(
    `waiting ${idleSeconds} s with ${name}: ${percent} % of a core, RSS ${megabytes(rssBytes)}, ` +
      `${megabytes(anonymousBytes)} of it its own memory`,
  );
}
const { stdout } = await podman(["image", "inspect", "--format", "{{.Size}}", setting("image")]);
console.log(`image: ${megabytes(Number(stdout))}`);
