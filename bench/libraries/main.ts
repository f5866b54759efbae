// deno-lint-ignore-file no-console -- a command-line tool: the terminal is its output
/**
 * What the libraries cost that the program does without, so that anyone can repeat it: `deno run -A bench/libraries/main.ts [ROUNDS]`.
 *
 * Every program is bundled as the executable is, and runs in a process of its own, in turn with those it is held against; CPU and peak memory are the kernel's (wait4.py).
 * Redis's need a server: `REDIS=redis://HOST:PORT`.
 */
const HERE = new URL(".", import.meta.url).pathname;
const MIB = 2 ** 20;
const BUNDLES = Deno.makeTempDirSync({ prefix: "copilot-libraries-" });

interface Group {
  title: string;
  programs: string[];
  env?: Record<string, string>;
}

const GROUPS: Group[] = [
  { title: "Keys from a container's endpoint", programs: ["nothing", "aws_own", "aws_providers"] },
  { title: "Azure's credentials", programs: ["nothing", "azure_identity"] },
  {
    title: "5,000 GETs of 16 KiB, 64 at a time",
    programs: ["own_get", "fetch_get", "node_http_get"],
    env: { OBJECTS: "5000", BYTES: String(16 * 1024), AT_ONCE: "64" },
  },
  {
    title: "One PUT of 1 GiB",
    programs: ["own_put", "node_http_put"],
    env: { OBJECTS: "1", BYTES: String(1024 * MIB), AT_ONCE: "1" },
  },
];
if (Deno.env.has("REDIS")) {
  GROUPS.push({ title: "1 MiB out of Redis", programs: ["nothing", "redis_own", "ioredis", "node_redis"] });
}

interface Cost {
  cpu: number;
  rss: number;
  status: number;
}

/** Serves keys and objects of the size that the query asks for, and forgets what it gets. */
function serve(): { endpoint: string; stop(): Promise<void> } {
  const piece = new Uint8Array(MIB);
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/credentials") {
      return Response.json({
        AccessKeyId: "AKIDEXAMPLE",
        SecretAccessKey: "s",
        Token: "t",
        Expiration: "2100-01-01T00:00:00Z",
      });
    }
    if (request.method === "PUT") {
      for await (const _ of request.body!);
      return new Response(null);
    }
    return new Response(piece.subarray(0, Number(searchParams.get("bytes"))));
  });
  return { endpoint: `http://127.0.0.1:${server.addr.port}`, stop: () => server.shutdown() };
}

/** A bundled CommonJS package asks for Node's modules by `require`, as in scripts/compile.ts. */
const REQUIRE_BANNER = "const require=(name)=>globalThis.process.getBuiltinModule(name);\n";

async function bundle(program: string): Promise<void> {
  const output = `${BUNDLES}/${program}.js`;
  const options = ["--config", `${HERE}deno.json`, "--platform", "deno", "--minify", "--output", output];
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", ...options, `${HERE}${program}.ts`],
  }).output();
  if (!success) throw new Error(`Cannot bundle ${program}: ${new TextDecoder().decode(stderr)}`);
  const text = Deno.readTextFileSync(output);
  if (text.includes("Dynamic require of")) Deno.writeTextFileSync(output, REQUIRE_BANNER + text);
}

async function costOf(program: string, env: Record<string, string>): Promise<Cost> {
  const run = [Deno.execPath(), "run", "-A", "--no-config", `${BUNDLES}/${program}.js`];
  const args = [`${HERE}../wait4.py`, "--", ...run];
  const { stdout, stderr } = await new Deno.Command("python3", { args, env }).output();
  const cost = JSON.parse(new TextDecoder().decode(stdout)) as Cost;
  if (cost.status !== 0) {
    throw new Error(`${program} ended with ${cost.status}: ${new TextDecoder().decode(stderr)}`);
  }
  return cost;
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

async function main(rounds: number): Promise<void> {
  const { endpoint, stop } = serve();
  for (const { title, programs, env = {} } of GROUPS) {
    const costs = new Map<string, Cost[]>(programs.map((program) => [program, []]));
    for (const program of programs) await bundle(program);
    // The first round warms the file system's cache, and does not count.
    for (let round = 0; round <= rounds; round++) {
      for (const program of programs) {
        const cost = await costOf(program, { ...env, ENDPOINT: endpoint });
        if (round > 0) costs.get(program)!.push(cost);
      }
    }
    console.log(`\n${title}\n\n| program | CPU ms | peak MiB |\n| --- | --- | --- |`);
    for (const [program, all] of costs) {
      const cpuMs = median(all.map(({ cpu }) => cpu)) * 1000;
      console.log(`| ${program} | ${cpuMs.toFixed(0)} | ${median(all.map(({ rss }) => rss)).toFixed(0)} |`);
    }
  }
  await stop();
  Deno.removeSync(BUNDLES, { recursive: true });
}

await main(Number(Deno.args[0] ?? 5));
