// deno-lint-ignore-file no-console -- a command-line tool: the terminal is its output
/**
 * `deno task bench`: copilot against what else moves objects, turn by turn on the same data. See README.md.
 * @module
 */
import { parseArgs } from "node:util";
import { DATA_SETS, type DataSet, scaled, writeDataSet } from "./cases.ts";
import { type Contestant, findContestants, floorOf, type Work } from "./contestants.ts";
import { startDelayProxy } from "./delay_proxy.ts";
import { makeLimits } from "./limits.ts";
import { measure, once, type Setting, type Surroundings } from "./measure.ts";
import { standing } from "./standing.ts";
import { makeFloor } from "./floor.ts";
import { svg } from "./plot.ts";
import { type CaseResult, inOrder, type Machine, markdown } from "./report.ts";
import {
  type Address,
  createBucket,
  type ServerName,
  SERVERS,
  type Servers,
  startServers,
} from "./servers.ts";

const HERE = new URL(".", import.meta.url).pathname;
const ROOT = new URL("..", import.meta.url).pathname;
const VARIANTS = ["plain", "lat", "tls", "limits"];

const CASES = DATA_SETS.flatMap(({ name, directions, isGiant }) =>
  directions.map((direction) => ({ name: `${name}-${direction}`, isGiant }))
);

const { values: options } = parseArgs({
  options: {
    binary: { type: "string", default: `${ROOT}dist/copilot` },
    cases: {
      type: "string",
      default: CASES.filter(({ isGiant }) => !isGiant).map(({ name }) => name).join(","),
    },
    variants: { type: "string", default: VARIANTS.join(",") },
    against: { type: "string", default: "go copilot,s5cmd,rclone,aws,floor" },
    server: { type: "string" },
    rounds: { type: "string", default: "3" },
    scale: { type: "string", default: "1" },
    directory: { type: "string", default: "" },
    save: { type: "boolean", default: false },
  },
});

/** The servers of this run: one without a disk where a giant takes part, so that all cases of a run have the same. */
function serverNames(wanted: readonly string[]): ServerName[] {
  const hasGiant = CASES.some(({ name, isGiant }) => isGiant && wanted.includes(name));
  return (options.server ?? (hasGiant ? "synthetic" : "s3,minio")).split(",").map((name) => {
    if (Object.hasOwn(SERVERS, name)) return name as ServerName;
    throw new Error(`Cannot measure on "${name}": expected some of ${Object.keys(SERVERS).join(", ")}`);
  });
}

function machine(): Machine {
  const cpu = /model name\s*: (.*)/.exec(Deno.readTextFileSync("/proc/cpuinfo"))?.[1] ?? Deno.build.arch;
  return {
    cpu,
    cores: navigator.hardwareConcurrency,
    memoryGib: Math.round(Deno.systemMemoryInfo().total / 2 ** 30),
    kernel: Deno.osRelease(),
  };
}

/** Adds to what earlier sittings found, and writes the table and the plot. */
function save(results: readonly CaseResult[], about: Machine): void {
  const path = `${HERE}results.json`;
  let known: CaseResult[] = [];
  try {
    known = JSON.parse(Deno.readTextFileSync(path));
  } catch { /* the first sitting */ }
  const id = ({ variant, name, server }: CaseResult) => `${variant} ${name} ${server}`;
  const fresh = new Set(results.map(id));
  const all = inOrder([...known.filter((result) => !fresh.has(id(result))), ...results]);
  Deno.writeTextFileSync(path, `${JSON.stringify(all)}\n`);
  Deno.writeTextFileSync(`${HERE}RESULTS.md`, markdown(all, about, standing(all)));
  Deno.writeTextFileSync(`${HERE}results.svg`, svg(all));
}

/** The settings that were asked for; one that cannot be had is skipped with its reason. */
function* settings({ plain, tls }: Servers): Generator<Setting> {
  for (const variant of options.variants!.split(",")) {
    if (variant === "plain") yield { variant, ...plain, cgroups: [] };
    else if (variant === "tls") yield { variant, ...tls!, cgroups: [] };
    else if (variant === "lat") {
      const far = { delayMs: 20, bytesPerSecond: 60e6 };
      const proxy = startDelayProxy(Number(new URL(plain.endpoint).port), far);
      yield { variant, ...plain, endpoint: `http://127.0.0.1:${proxy.port}`, cgroups: [] };
      proxy.close();
    } else if (variant === "limits") {
      const limits = makeLimits();
      if (typeof limits === "string") {
        console.log(`SKIPPED limits: ${limits}`);
        continue;
      }
      yield { variant, ...plain, cgroups: limits.directories };
      limits.close();
    } else throw new Error(`Cannot measure "${variant}": expected some of ${VARIANTS.join(",")}`);
  }
}

/** Puts data sets where downloads find them: what copilot uploads is what it downloads. */
async function prepare(
  store: Address,
  sets: readonly DataSet[],
  { copilot, home }: { copilot: Contestant; home: string },
): Promise<void> {
  await createBucket(store);
  for (const set of sets) {
    const directory = `${home}/data/${set.name}`;
    const work: Work = { ...store, set, direction: "up", directory, target: `in/${set.name}` };
    const cost = await once(copilot, work, []);
    if (cost?.failure !== "") throw new Error(`Cannot prepare ${set.name}: ${cost?.failure}`);
  }
}

/** What is to be measured, and with whom. */
interface Plan extends Omit<Surroundings, "setting" | "server"> {
  sets: readonly DataSet[];
  /** Names of cases. */
  wanted: readonly string[];
}

/** Measures all that was asked for on one server. */
async function sitting(server: ServerName, servers: Servers, plan: Plan): Promise<CaseResult[]> {
  const { contestants, home, sets, wanted } = plan;
  const results: CaseResult[] = [];
  if (server !== "synthetic") {
    const copilot = contestants[0]!;
    for (const store of [servers.plain, servers.tls]) {
      if (store !== undefined) await prepare(store, sets, { copilot, home });
    }
  }
  for (const setting of settings(servers)) {
    for (const set of sets) {
      for (const direction of set.directions) {
        if (!wanted.includes(`${set.name}-${direction}`)) continue;
        results.push(await measure(set, direction, { ...plan, setting, server }));
        // After each case, so that a sitting that is broken off is not lost.
        if (options.save) save(results, machine());
      }
    }
  }
  return results;
}

/** One server after the other, each alone on the machine. */
async function sittings(plan: Plan): Promise<void> {
  const results: CaseResult[] = [];
  for (const set of plan.sets) writeDataSet(set, `${plan.home}/data/${set.name}`);
  for (const server of serverNames(plan.wanted)) {
    const directory = `${plan.home}/servers-${server}`;
    Deno.mkdirSync(directory);
    const servers = await startServers({
      name: server,
      needsTls: options.variants!.split(",").includes("tls"),
      directory,
      scale: options.scale!,
      sets: plan.sets.map(({ name }) => name),
    });
    running = servers;
    results.push(...await sitting(server, servers, plan));
    running = undefined;
    await servers.close();
    Deno.removeSync(directory, { recursive: true });
  }
  console.log(markdown(results, machine(), standing(results)));
}

/** What has to be ended whatever happens. */
let running: Servers | undefined;

async function main(): Promise<void> {
  const against = options.against === "" ? [] : options.against!.split(",");
  const wanted = options.cases!.split(",");
  const unknown = wanted.find((one) => !CASES.some(({ name }) => name === one));
  if (unknown !== undefined) {
    throw new Error(
      `Cannot measure "${unknown}": expected some of ${CASES.map(({ name }) => name).join(",")}`,
    );
  }
  const sets = DATA_SETS.filter(({ name }) => wanted.some((one) => one.startsWith(`${name}-`)))
    .map((set) => scaled(set, Number(options.scale)));
  const home = Deno.makeTempDirSync({
    prefix: "copilot-bench-",
    ...(options.directory && { dir: options.directory }),
  });
  const contestants = findContestants(options.binary!, against);
  if (against.includes("floor")) contestants.push(floorOf(await makeFloor(`${home}/floor`)));
  console.log(contestants.map(({ name, version }) => `${name} (${version})`).join(", "));
  const cleanUp = async () => {
    await running?.close();
    Deno.removeSync(home, { recursive: true });
  };
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(name, () => cleanUp().finally(() => Deno.exit(1)));
  }
  const [rounds, scale] = [Number(options.rounds), Number(options.scale)];
  try {
    await sittings({ contestants, home, rounds, scale, sets, wanted });
  } finally {
    await cleanUp();
  }
  Deno.exit(0);
}

await main();
