// deno-lint-ignore-file no-console -- a command-line tool: the terminal is its output
/**
 * `deno task bench`: copilot against what else moves objects, turn by turn on the same data. See README.md.
 * @module
 */
import { parseArgs } from "node:util";
import {
  type Arrived,
  DATA_SETS,
  type DataSet,
  filesBelow,
  fingerprint,
  scaled,
  writeDataSet,
} from "./cases.ts";
import { type Contestant, environment, findContestants, type Work } from "./contestants.ts";
import { startDelayProxy } from "./delay_proxy.ts";
import { makeLimits } from "./limits.ts";
import { svg } from "./plot.ts";
import { type CaseResult, type Cost, inOrder, type Machine, markdown } from "./report.ts";
import {
  type Address,
  createBucket,
  listed,
  received,
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
    against: { type: "string", default: "go copilot,s5cmd,rclone,aws" },
    server: { type: "string" },
    rounds: { type: "string", default: "5" },
    scale: { type: "string", default: "1" },
    directory: { type: "string", default: "" },
    save: { type: "boolean", default: false },
  },
});

/** The server of this run: one without a disk where a giant takes part, so that all cases of a run have the same. */
function serverName(wanted: readonly string[]): ServerName {
  const hasGiant = CASES.some(({ name, isGiant }) => isGiant && wanted.includes(name));
  const name = options.server ?? (hasGiant ? "synthetic" : "s3");
  if (Object.hasOwn(SERVERS, name)) return name as ServerName;
  throw new Error(`Cannot measure on "${name}": expected one of ${Object.keys(SERVERS).join(", ")}`);
}

async function once(contestant: Contestant, work: Work, cgroups: readonly string[]): Promise<Cost | null> {
  const command = contestant.command(work);
  if (command === null) return null;
  const wrapped = [
    "python3",
    `${HERE}wait4.py`,
    ...cgroups.flatMap((path) => ["--cgroup", path]),
    "--",
    ...command,
  ];
  const { stdout, stderr } = await new Deno.Command(wrapped[0]!, {
    args: wrapped.slice(1),
    clearEnv: true,
    env: environment(work),
  }).output();
  const { status, ...cost } = JSON.parse(new TextDecoder().decode(stdout));
  if (status === 0) return { ...cost, failure: "" };
  console.error(new TextDecoder().decode(stderr).slice(-500));
  return { ...cost, failure: status === -9 ? "killed" : `status ${status}` };
}

interface Setting extends Address {
  variant: string;
  cgroups: readonly string[];
}

/** What the measuring of a case needs to know of the run. */
interface Surroundings {
  setting: Setting;
  server: ServerName;
  contestants: readonly Contestant[];
  home: string;
}

async function measure(
  set: DataSet,
  direction: "down" | "up",
  { setting, server, contestants, home }: Surroundings,
): Promise<CaseResult> {
  const costs: Record<string, Cost[]> = {};
  const { variant, endpoint, caFile, cgroups } = setting;
  for (let round = 0; round < Number(options.rounds); round++) {
    const order = round % 2 === 0 ? contestants : [...contestants].reverse();
    for (const contestant of order) {
      const target = `up/${crypto.randomUUID()}`;
      const directory = direction === "down" ? `${home}/out` : `${home}/data/${set.name}`;
      const work: Work = { set, direction, endpoint, caFile, directory, target };
      if (direction === "down") Deno.mkdirSync(directory, { recursive: true });
      const cost = await once(contestant, work, cgroups);
      if (cost !== null) {
        if (cost.failure === "") cost.failure = await verified(contestant, work, { server, home });
        (costs[contestant.name] ??= []).push(cost);
        tell(`${variant} ${set.name}-${direction} ${contestant.name}`, cost);
      }
      if (direction === "down") Deno.removeSync(directory, { recursive: true });
    }
  }
  const { bytes, files } = set;
  const versions = Object.fromEntries(contestants.map(({ name, version }) => [name, version]));
  const what = { variant, name: `${set.name}-${direction}`, bytes: bytes * files, files };
  return {
    ...{ ...what, scale: Number(options.scale), date: new Date().toISOString().slice(0, 10) },
    ...{ server: SERVERS[server], versions, costs },
  };
}

function tell(what: string, { wall, cpu, rss, failure }: Cost): void {
  console.log(`${what}: ${wall.toFixed(3)} s, ${cpu.toFixed(2)} CPU s, ${rss.toFixed(0)} MiB ${failure}`);
}

/** The files of each data set, read once. */
const sources = new Map<string, Arrived[]>();

function sourceOf(set: DataSet, home: string): Arrived[] {
  const known = sources.get(set.name) ?? filesBelow(`${home}/data/${set.name}`);
  sources.set(set.name, known);
  return known;
}

/** Compares what arrived with the data set. @returns what is wrong, or nothing */
async function verified(
  contestant: Contestant,
  work: Work,
  { server, home }: Pick<Surroundings, "server" | "home">,
): Promise<string> {
  const { set, direction, directory, target } = work;
  const isOwn = contestant.name.endsWith("copilot");
  // Copying tools fetch a document of a data set of values, and nothing that could be compared.
  if (!isOwn && set.shape === "values") return "";
  const source = direction === "up" && set.shape === "values" ? [] : sourceOf(set, home);
  const isBare = !isOwn && set.shape === "directory";
  const wanted = isBare ? source.map((file) => ({ ...file, name: file.name.replace(/^\/x/, "") })) : source;
  let [expected, got] = ["", ""];
  if (direction === "up" && server !== "synthetic") {
    const { files, bytes } = await listed(work, target);
    got = `${files} files, ${bytes} bytes`;
    expected = `${wanted.length} files, ${wanted.reduce((sum, { size }) => sum + size, 0)} bytes`;
  } else {
    got = fingerprint(direction === "down" ? filesBelow(directory) : await received(work, target));
    expected = fingerprint(wanted);
  }
  return got === expected ? "" : `wrong result: ${got}, expected ${expected}`;
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
  Deno.writeTextFileSync(`${HERE}RESULTS.md`, markdown(all, about));
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

/** Measures all that was asked for. */
async function sitting(
  servers: Servers,
  { server, contestants, home }: Omit<Surroundings, "setting">,
  { sets, wanted }: { sets: readonly DataSet[]; wanted: readonly string[] },
): Promise<void> {
  const results: CaseResult[] = [];
  const about = machine();
  for (const set of sets) writeDataSet(set, `${home}/data/${set.name}`);
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
        results.push(await measure(set, direction, { setting, server, contestants, home }));
        // After each case, so that a sitting that is broken off is not lost.
        if (options.save) save(results, about);
      }
    }
  }
  console.log(markdown(results, about));
}

async function main(): Promise<void> {
  const contestants = findContestants(options.binary!, options.against!.split(","));
  console.log(contestants.map(({ name, version }) => `${name} (${version})`).join(", "));
  const wanted = options.cases!.split(",");
  const unknown = wanted.find((one) => !CASES.some(({ name }) => name === one));
  if (unknown !== undefined) {
    throw new Error(
      `Cannot measure "${unknown}": expected some of ${CASES.map(({ name }) => name).join(",")}`,
    );
  }
  const server = serverName(wanted);
  const sets = DATA_SETS.filter(({ name }) => wanted.some((one) => one.startsWith(`${name}-`)))
    .map((set) => scaled(set, Number(options.scale)));
  const home = Deno.makeTempDirSync({
    prefix: "copilot-bench-",
    ...(options.directory && { dir: options.directory }),
  });
  const servers = await startServers({
    name: server,
    needsTls: options.variants!.split(",").includes("tls"),
    directory: `${home}/servers`,
    scale: options.scale!,
    sets: sets.map(({ name }) => name),
  });
  const cleanUp = async () => {
    await servers.close();
    Deno.removeSync(home, { recursive: true });
  };
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(name, () => cleanUp().finally(() => Deno.exit(1)));
  }
  try {
    await sitting(servers, { server, contestants, home }, { sets, wanted });
  } finally {
    await cleanUp();
  }
  Deno.exit(0);
}

await main();
