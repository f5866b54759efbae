/**
 * One faulted run of the compiled binary and, after it, a rerun without faults: what a seed decides, and what must hold.
 * @module
 */
import { type Bucket, SECRET_KEY } from "./bucket.ts";
import { type Outcome, runCopilot } from "./copilot.ts";
import { chaos } from "./fault.ts";
import { FaultProxy } from "./proxy.ts";
import { Random } from "./random.ts";
import { downloadScene, type Scene, uploadScene } from "./scene.ts";

const MIB = 1024 * 1024;
const DEADLINE_MS = 120_000;
/** What a run may take after its deadline, for its last words. */
const LAST_WORDS_MS = 45_000;

/** What a trial needs. */
export interface TrialOptions {
  binary: string;
  /** URL of the store. */
  endpoint: string;
  bucket: Bucket;
  seed: number;
  /** What the seed would decide otherwise. */
  fixed?: Partial<Terms>;
}

/** What a seed decides. */
export interface Terms {
  kind: "download" | "upload";
  /** Probability that a request fails in a way that a retry heals. */
  rate: number;
  /** Probability of a wrong byte. */
  corrupt: number;
  largeBytes: number;
  kill: { signal: Deno.Signal; afterMs: number } | undefined;
}

/** What came of a trial. */
export interface Trial {
  seed: number;
  terms: Terms;
  first: Outcome;
  rerun: Outcome;
  /** The first run had declared success. */
  succeeded: boolean;
  requests: number;
  injected: Record<string, number>;
  /** Promises that were broken; empty when all is well. */
  broken: string[];
}

function termsOf(random: Random): Terms {
  return {
    kind: random.pick(["download", "upload"]),
    rate: random.pick([0.05, 0.15, 0.3, 0.3, 0.5]),
    corrupt: random.chance(0.15) ? 0.05 : 0,
    largeBytes: random.chance(0.12) ? 17 * MIB + random.below(30 * MIB) : 0,
    kill: random.chance(0.35)
      ? { signal: random.pick(["SIGKILL", "SIGKILL", "SIGTERM"]), afterMs: random.below(900) }
      : undefined,
  };
}

/** Runs a trial. */
export async function runTrial(options: TrialOptions): Promise<Trial> {
  const { binary, endpoint, bucket, seed } = options;
  const random = new Random(seed);
  const terms = { ...termsOf(random), ...options.fixed };
  const directory = Deno.makeTempDirSync({ prefix: "copilot-trial-" });
  const sceneOptions = { bucket, id: `t${seed}`, random, directory, largeBytes: terms.largeBytes };
  const scene = terms.kind === "download" ? await downloadScene(sceneOptions) : uploadScene(sceneOptions);
  const proxy = new FaultProxy(endpoint, chaos(seed, terms));
  try {
    const run = (kill: Terms["kill"]) =>
      runCopilot({
        binary,
        endpoint: proxy.url,
        args: scene.args(DEADLINE_MS),
        boundMs: DEADLINE_MS + LAST_WORDS_MS,
        ...(kill === undefined ? {} : { kill }),
      });
    const first = await run(terms.kill);
    const afterFirst = await judgeFirst(scene, first, terms);
    const { requests } = proxy;
    const injected = Object.fromEntries(
      Object.entries(Object.groupBy(proxy.injected, ({ fault }) => fault.kind))
        .map(([kind, all]) => [kind, all!.length]),
    );
    proxy.plan = () => null;
    const rerun = await run(undefined);
    const broken = [...afterFirst.broken, ...await judgeRerun(scene, rerun)];
    return { seed, terms, first, rerun, succeeded: afterFirst.succeeded, requests, injected, broken };
  } finally {
    await proxy.close();
    await scene.clear();
  }
}

async function judgeFirst(
  scene: Scene,
  outcome: Outcome,
  { kill, rate }: Terms,
): Promise<{ succeeded: boolean; broken: string[] }> {
  const broken = (await scene.violations()).map((text) => `after the faulted run ${text}`);
  const error = await scene.error();
  const succeeded = await scene.succeeded();
  const wasKilled = outcome.code >= 128 || (kill !== undefined && outcome.code === 1);
  if (outcome.hung) broken.push("the faulted run hung");
  if (leaks(outcome, error)) broken.push("a secret is in the output");
  if (/uncaught|panicked|"code":"internal"/i.test(outcome.stderr)) broken.push("the faulted run crashed");
  if (wasKilled || outcome.hung) return { succeeded, broken };
  if (outcome.code !== 0) broken.push(`the faulted run ended with status ${outcome.code}`);
  if (succeeded === (error !== null)) {
    broken.push(succeeded ? "success and error are both declared" : "neither success nor error is declared");
  }
  const mustSucceed = kill === undefined && rate <= 0.3;
  if (mustSucceed && !succeeded) broken.push(`the faulted run failed: ${error}`);
  broken.push(...(await scene.leftovers()).map((what) => `after the faulted run there is ${what}`));
  return { succeeded, broken };
}

async function judgeRerun(scene: Scene, outcome: Outcome): Promise<string[]> {
  const broken = [
    ...(await scene.violations()).map((text) => `after the rerun ${text}`),
    ...(await scene.leftovers()).map((what) => `after the rerun there is ${what}`),
  ];
  const error = await scene.error();
  if (outcome.hung) broken.push("the rerun hung");
  if (outcome.code !== 0) broken.push(`the rerun ended with status ${outcome.code}`);
  if (error !== null) broken.push(`the rerun failed: ${error}`);
  if (!await scene.succeeded()) broken.push("the rerun did not declare success");
  if (leaks(outcome, error)) broken.push("a secret is in the rerun's output");
  return broken;
}

/** Whether a secret shows, as it is or in base64. */
function leaks({ stdout, stderr }: Outcome, error: string | null): boolean {
  const text = stdout + stderr + (error ?? "");
  return text.includes(SECRET_KEY) || text.includes(btoa(SECRET_KEY).replace(/=+$/, ""));
}
