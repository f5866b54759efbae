// deno-lint-ignore-file no-console -- a command-line tool: the terminal is its output
/**
 * `deno task bench`: copilot against what else moves objects, turn by turn on the same data. See README.md.
 * @module
 */
import { parseArgs } from "node:util";
import { openStore } from "../src/storage/backends/mod.ts";
import { EMPTY_PAYLOAD, Signer } from "../src/storage/backends/s3/sigv4.ts";
import { Secret } from "../src/config.ts";
import { parseUri } from "../src/storage/uri.ts";
import { sys } from "../src/sys.ts";
import { DATA_SETS, type DataSet, fingerprint, scaled, writeDataSet } from "./cases.ts";
import { BUCKET, type Contestant, environment, findContestants, KEYS, type Work } from "./contestants.ts";
import { startDelayProxy } from "./delay_proxy.ts";
import { makeLimits } from "./limits.ts";
import { type CaseResult, type Cost, type Machine, markdown, svg } from "./report.ts";

const HERE = new URL(".", import.meta.url).pathname;
const ROOT = new URL("..", import.meta.url).pathname;
const VARIANTS = ["plain", "lat", "tls", "limits"];

const { values: options } = parseArgs({
  options: {
    binary: { type: "string", default: `${ROOT}dist/copilot` },
    cases: {
      type: "string",
      default: "tiny-down,prims-down,many-down,mid-down,big-down,tiny-up,many-up,big-up",
    },
    variants: { type: "string", default: VARIANTS.join(",") },
    against: { type: "string", default: "go copilot,s5cmd,rclone,aws" },
    server: { type: "string", default: "s3" },
    rounds: { type: "string", default: "5" },
    scale: { type: "string", default: "1" },
    directory: { type: "string", default: "" },
    save: { type: "boolean", default: false },
  },
});

interface Server {
  plain: string;
  tls: string;
  caFile: string;
}

/** Runs a helper to its end; throws with what it said when it fails. */
function run(command: string[], env: Record<string, string> = {}): string {
  const { success, stdout, stderr } = new Deno.Command(command[0]!, { args: command.slice(1), env })
    .outputSync();
  if (!success) throw new Error(`Cannot run ${command[0]}: ${new TextDecoder().decode(stderr).slice(-2000)}`);
  return new TextDecoder().decode(stdout);
}

function startServers(directory: string, needsTls: boolean): Server {
  const names = [options.server!, ...(needsTls ? ["s3-tls"] : [])];
  run([`${ROOT}scripts/servers.sh`, "install", ...names]);
  const text = run([`${ROOT}scripts/servers.sh`, "start", directory, ...names]);
  const exported = (name: string) => new RegExp(`^export ${name}=(.*)$`, "m").exec(text)?.[1] ?? "";
  const plain = exported("COPILOT_TEST_S3") || exported("COPILOT_TEST_MINIO");
  return { plain, tls: exported("COPILOT_TEST_S3_TLS"), caFile: exported("COPILOT_TEST_CA") };
}

type Store = Pick<Work, "endpoint" | "caFile">;

function certificates({ caFile }: Store): string[] {
  return caFile === "" ? [] : [Deno.readTextFileSync(caFile)];
}

async function createBucket(store: Store): Promise<void> {
  const path = `/${BUCKET}`;
  const { host } = new URL(store.endpoint);
  const part = { method: "PUT", path, query: "", host, headers: [], payload: EMPTY_PAYLOAD };
  const credentials = { accessKeyId: KEYS.id, secretAccessKey: new Secret(KEYS.secret) };
  const headers = new Signer("us-east-1").sign(part, credentials, Date.now());
  using client = Deno.createHttpClient({ caCerts: certificates(store) });
  const reply = await fetch(`${store.endpoint}${path}`, { method: "PUT", headers, client });
  const text = await reply.text();
  if (!reply.ok) throw new Error(`Cannot make the bucket: status ${reply.status} ${text.slice(0, 300)}`);
}

/** Number and bytes of the objects below a prefix, documents left out. */
async function listed(work: Work): Promise<{ files: number; bytes: number }> {
  const { signal } = new AbortController();
  const settings = {
    kind: "s3",
    values: { endpoint: work.endpoint, region: "us-east-1", auth_type: "accesskey", access_key_id: KEYS.id },
    secrets: { secret_key: new Secret(KEYS.secret) },
  };
  const context = {
    ...{ system: sys, env: {}, caCerts: certificates(work), signal },
    allow: () => Promise.resolve(),
  };
  const store = await openStore(parseUri(`s3://${BUCKET}/`, "the bucket"), settings, context);
  const sum = { files: 0, bytes: 0 };
  try {
    let token: string | undefined;
    for (;;) {
      const page = await store.list(`${work.target}/`, { signal, ...(token !== undefined && { token }) });
      for (const { key, size } of page.objects) {
        if (key.endsWith("/outputs.pb")) continue;
        sum.files++;
        sum.bytes += size;
      }
      if (page.next === undefined) return sum;
      token = page.next;
    }
  } finally {
    store.close();
  }
}

/** What a run's result should be, in the words in which it is seen. */
async function outcome(work: Work): Promise<string> {
  if (work.direction === "down") return fingerprint(work.directory);
  const { files, bytes } = await listed(work);
  return `${files} files, ${bytes} bytes`;
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

interface Setting {
  variant: string;
  endpoint: string;
  caFile: string;
  cgroups: readonly string[];
}

async function measure(
  set: DataSet,
  direction: "down" | "up",
  { setting, contestants, home }: { setting: Setting; contestants: readonly Contestant[]; home: string },
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
        if (cost.failure === "") cost.failure = await verified(contestant, work, home);
        (costs[contestant.name] ??= []).push(cost);
        const { wall, cpu, rss, failure } = cost;
        console.log(
          `${variant} ${set.name}-${direction} ${contestant.name}: ${wall.toFixed(3)} s, ${
            cpu.toFixed(2)
          } CPU s, ` +
            `${rss.toFixed(0)} MiB ${failure}`,
        );
      }
      if (direction === "down") Deno.removeSync(directory, { recursive: true });
    }
  }
  const { bytes, files } = set;
  const versions = Object.fromEntries(contestants.map(({ name, version }) => [name, version]));
  return {
    ...{
      variant,
      name: `${set.name}-${direction}`,
      bytes: bytes * files,
      files,
      scale: Number(options.scale),
    },
    ...{
      date: new Date().toISOString().slice(0, 10),
      server: SERVERS[options.server!] ?? options.server!,
      versions,
      costs,
    },
  };
}

const SERVERS: Readonly<Record<string, string>> = { s3: "versitygw", minio: "MinIO" };

/** Compares what arrived with the data set. @returns what is wrong, or nothing */
async function verified(contestant: Contestant, work: Work, home: string): Promise<string> {
  const isOwn = contestant.name.endsWith("copilot");
  // Copying tools fetch a document of a data set of values, and nothing that could be compared.
  if (!isOwn && work.set.name === "tiny") return "";
  const source = `${home}/data/${work.set.name}`;
  const isBare = !isOwn && work.set.name !== "big";
  let expected: string;
  if (work.direction === "down") expected = fingerprint(isBare ? `${source}/x` : source);
  else if (work.set.name === "tiny") expected = "0 files, 0 bytes";
  else expected = `${work.set.files} files, ${work.set.files * work.set.bytes} bytes`;
  const got = await outcome(work);
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
  const id = ({ variant, name }: CaseResult) => `${variant} ${name}`;
  const fresh = new Set(results.map(id));
  const all = [...known.filter((result) => !fresh.has(id(result))), ...results];
  const position = (result: CaseResult) => DATA_SETS.findIndex(({ name }) => result.name.startsWith(name));
  all.sort((a, b) =>
    a.name.slice(-4) === b.name.slice(-4) ? position(a) - position(b) : a.name.endsWith("down") ? -1 : 1
  );
  Deno.writeTextFileSync(path, `${JSON.stringify(all)}\n`);
  Deno.writeTextFileSync(`${HERE}RESULTS.md`, markdown(all, about));
  Deno.writeTextFileSync(`${HERE}results.svg`, svg(all));
}

/** The settings that were asked for; one that cannot be had is skipped with its reason. */
function* settings(server: Server): Generator<Setting> {
  const plain = { endpoint: server.plain, caFile: "", cgroups: [] };
  for (const variant of options.variants!.split(",")) {
    if (variant === "plain") yield { variant, ...plain };
    else if (variant === "tls") {
      yield { variant, endpoint: server.tls, caFile: server.caFile, cgroups: [] };
    } else if (variant === "lat") {
      const far = { delayMs: 20, bytesPerSecond: 60e6 };
      const proxy = startDelayProxy(Number(new URL(server.plain).port), far);
      yield { ...plain, variant, endpoint: `http://127.0.0.1:${proxy.port}` };
      proxy.close();
    } else if (variant === "limits") {
      const limits = makeLimits();
      if (typeof limits === "string") {
        console.log(`SKIPPED limits: ${limits}`);
        continue;
      }
      yield { ...plain, variant, cgroups: limits.directories };
      limits.close();
    } else throw new Error(`Cannot measure "${variant}": expected some of ${VARIANTS.join(",")}`);
  }
}

/** Puts a data set where downloads find it: what copilot uploads is what it downloads. */
async function prepare(set: DataSet, work: Work, copilot: Contestant): Promise<void> {
  const cost = await once(copilot, { ...work, direction: "up", target: `in/${set.name}` }, []);
  if (cost?.failure !== "") throw new Error(`Cannot prepare ${set.name}: ${cost?.failure}`);
}

async function main(): Promise<void> {
  const contestants = findContestants(options.binary!, options.against!.split(","));
  console.log(contestants.map(({ name, version }) => `${name} (${version})`).join(", "));
  const home = Deno.makeTempDirSync({
    prefix: "copilot-bench-",
    ...(options.directory && { dir: options.directory }),
  });
  const servers = `${home}/servers`;
  const cleanUp = () => {
    run([`${ROOT}scripts/servers.sh`, "stop", servers]);
    Deno.removeSync(home, { recursive: true });
  };
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(name, () => {
      cleanUp();
      Deno.exit(1);
    });
  }
  const wanted = options.cases!.split(",");
  const sets = DATA_SETS.filter(({ name }) => wanted.some((one) => one.startsWith(`${name}-`)))
    .map((set) => scaled(set, Number(options.scale)));
  try {
    const server = startServers(servers, options.variants!.includes("tls"));
    const results: CaseResult[] = [];
    const about = machine();
    for (const set of sets) writeDataSet(set, `${home}/data/${set.name}`);
    const prepared = new Set<string>();
    for (const setting of settings(server)) {
      const store = setting.variant === "tls"
        ? { endpoint: server.tls, caFile: server.caFile }
        : { endpoint: server.plain, caFile: "" };
      if (!prepared.has(store.endpoint)) {
        await createBucket(store);
        for (const set of sets) {
          const work = {
            ...store,
            set,
            direction: "up",
            directory: `${home}/data/${set.name}`,
            target: "",
          } as const;
          await prepare(set, work, contestants[0]!);
        }
        prepared.add(store.endpoint);
      }
      for (const set of sets) {
        for (const direction of set.directions) {
          if (!wanted.includes(`${set.name}-${direction}`)) continue;
          results.push(await measure(set, direction, { setting, contestants, home }));
          // After each case, so that a sitting that is broken off is not lost.
          if (options.save) save(results, about);
        }
      }
    }
    console.log(markdown(results, about));
  } finally {
    cleanUp();
  }
  Deno.exit(0);
}

await main();
