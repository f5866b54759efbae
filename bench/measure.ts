// deno-lint-ignore-file no-console -- a command-line tool: the terminal is its output
/**
 * Measures one case: every contestant in turn, each result checked.
 * @module
 */
import { type Arrived, type DataSet, filesBelow, fingerprint } from "./cases.ts";
import { type Contestant, environment, type Work } from "./contestants.ts";
import type { CaseResult, Cost } from "./report.ts";
import { type Address, listed, received, type ServerName, SERVERS } from "./servers.ts";

const HERE = new URL(".", import.meta.url).pathname;

/** Results of at most so many bytes stay until their case is over, since file systems make files more slowly after many were deleted. */
const SMALL_BYTES = 256 * 1024 * 1024;
/** How long ext4 does: it does not use an inode again for five seconds, and looks at each that it could. */
const SETTLE_MS = 6000;
/** Runs a contestant once. @returns null where it cannot do this work */
export async function once(
  contestant: Contestant,
  work: Work,
  cgroups: readonly string[],
): Promise<Cost | null> {
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

/** A variant's server and bounds. */
export interface Setting extends Address {
  variant: string;
  cgroups: readonly string[];
}

/** What the measuring of a case needs to know of the run. */
export interface Surroundings {
  setting: Setting;
  server: ServerName;
  contestants: readonly Contestant[];
  home: string;
  rounds: number;
  scale: number;
}

/** Measures a case. */
export async function measure(
  set: DataSet,
  direction: "down" | "up",
  { setting, server, contestants, home, rounds, scale }: Surroundings,
): Promise<CaseResult> {
  // In the order of the table's columns, whoever's turn comes first.
  const costs: Record<string, Cost[]> = Object.fromEntries(contestants.map(({ name }) => [name, []]));
  const { variant, endpoint, caFile, cgroups } = setting;
  const results = `${home}/out`;
  const isSmall = set.bytes * set.files <= SMALL_BYTES;
  let count = 0;
  for (let round = 0; round < rounds; round++) {
    const present = contestants.filter(({ isSlow }) => round === 0 || !isSlow);
    // By chance, for what one leaves behind for the next.
    const order = present.map((one) => ({ one, at: Math.random() })).sort((a, b) => a.at - b.at).map((
      { one },
    ) => one);
    for (const contestant of order) {
      const target = `up/${crypto.randomUUID()}`;
      const directory = direction === "down" ? `${results}/${count++}` : `${home}/data/${set.name}`;
      const work: Work = { set, direction, endpoint, caFile, directory, target };
      if (direction === "down") Deno.mkdirSync(directory, { recursive: true });
      const cost = await once(contestant, work, cgroups);
      if (cost !== null) {
        if (cost.failure === "") cost.failure = await verified(contestant, work, { server, home });
        costs[contestant.name]!.push(cost);
        tell(`${variant} ${set.name}-${direction} ${contestant.name}`, cost);
      }
      if (direction === "down" && !isSmall) Deno.removeSync(directory, { recursive: true });
    }
  }
  if (direction === "down" && isSmall) {
    Deno.removeSync(results, { recursive: true });
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  }
  for (const { name } of contestants) if (costs[name]!.length === 0) delete costs[name];
  const { bytes, files } = set;
  const versions = Object.fromEntries(contestants.map(({ name, version }) => [name, version]));
  const what = { variant, name: `${set.name}-${direction}`, bytes: bytes * files, files };
  return {
    ...{ ...what, scale, date: new Date().toISOString().slice(0, 10) },
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
