// deno-lint-ignore-file no-console -- a command-line tool: the terminal is its output
/**
 * Random faulted runs of the compiled binary against a real store, judged by the promises that no fault may break:
 *
 * `deno task soak --runs 200 --seed 1 [--jobs 2] [--seconds 600] [--binary dist/copilot] [--s3 URL] [--log FILE]`
 *
 * A run is made of its seed alone, so a broken promise comes back with `--runs 1 --seed N`, as far as the moment of a kill
 * can. The store is that of COPILOT_TEST_S3 (scripts/servers.sh). Exit status 1 when a promise was broken.
 * @module
 */
import { parseArgs } from "node:util";
import { Bucket } from "../tests/faults/bucket.ts";
import { runTrial, type Trial } from "../tests/faults/trial.ts";

const ROOT = new URL("..", import.meta.url).pathname;

const { values } = parseArgs({
  args: Deno.args,
  options: {
    runs: { type: "string", default: "100" },
    seed: { type: "string", default: "1" },
    jobs: { type: "string", default: "2" },
    seconds: { type: "string", default: "0" },
    binary: { type: "string", default: Deno.env.get("COPILOT_TEST_BIN") ?? `${ROOT}dist/copilot` },
    s3: { type: "string", default: Deno.env.get("COPILOT_TEST_S3") ?? "" },
    log: { type: "string", default: "" },
  },
});
if (values.s3 === "") {
  console.error(
    "Cannot soak: no store, expected --s3 URL or COPILOT_TEST_S3 (scripts/servers.sh start DIR s3)",
  );
  Deno.exit(2);
}

const count = Number(values.runs);
const firstSeed = Number(values.seed);
const untilMs = values.seconds === "0" ? Infinity : performance.now() + Number(values.seconds) * 1000;
const bucket = await Bucket.open(values.s3, "soak");
const totals = { runs: 0, succeeded: 0, told: 0, killed: 0, requests: 0, faults: 0, broken: 0 };
const byFault: Record<string, number> = {};
let next = 0;

function summarise(trial: Trial): void {
  const { seed, terms, first, rerun, succeeded, requests, injected, broken } = trial;
  totals.runs++;
  totals.requests += requests;
  for (const [kind, hits] of Object.entries(injected)) {
    byFault[kind] = (byFault[kind] ?? 0) + hits;
    totals.faults += hits;
  }
  if (first.code >= 128) totals.killed++;
  else totals[succeeded ? "succeeded" : "told"]++;
  if (values.log !== "") {
    const line = {
      seed,
      ...terms,
      code: first.code,
      succeeded,
      ms: [first.ms, rerun.ms].map(Math.round),
      broken,
    };
    Deno.writeTextFileSync(values.log, `${JSON.stringify(line)}\n`, { append: true });
  }
  if (broken.length === 0) return;
  totals.broken++;
  console.log(`BROKEN seed ${seed} ${JSON.stringify(terms)} ${JSON.stringify(injected)}`);
  for (const what of broken) console.log(`  ${what}`);
  console.log(first.stderr.split("\n").slice(-6).map((line) => `  | ${line.slice(0, 400)}`).join("\n"));
}

async function work(): Promise<void> {
  while (next < count && performance.now() < untilMs) {
    const seed = firstSeed + next++;
    summarise(await runTrial({ binary: values.binary, endpoint: values.s3, bucket, seed }));
    if (totals.runs % 100 === 0) console.log(JSON.stringify(totals));
  }
}

await Promise.all(Array.from({ length: Number(values.jobs) }, work));
bucket.close();
console.log(JSON.stringify({ ...totals, byFault }));
Deno.exit(totals.broken === 0 ? 0 : 1);
