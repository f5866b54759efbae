/**
 * Stands in for src/sandbox/worker.ts in a compiled copy of the program: tries what a run must not be able to do, and says how each
 * attempt ended. Everything around it, from main.ts to the permissions, is the program's own.
 * @module
 */
import { type FromWorker, type ToWorker, unpack } from "../../../src/sandbox/messages.ts";

const scope = self as unknown as {
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  postMessage(message: FromWorker): void;
};

type Attempt = () => unknown;

/** What must work. */
function allowed(directory: string, store: URL): Record<string, Attempt> {
  return {
    "write in the directory": () => Deno.writeTextFileSync(`${directory}/probe`, "x"),
    "read in the directory": () => Deno.readTextFileSync(`${directory}/probe`),
    "rename in the directory": () => Deno.renameSync(`${directory}/probe`, `${directory}/renamed`),
    "connect to the store": async () =>
      (await Deno.connect({ hostname: store.hostname, port: Number(store.port) })).close(),
  };
}

/** What must not. */
function forbidden(directory: string, elsewhere: number): Record<string, Attempt> {
  return {
    "write outside": () => Deno.writeTextFileSync(`${directory}-outside`, "x"),
    "write outside by ..": () => Deno.writeTextFileSync(`${directory}/../outside`, "x"),
    "make a directory outside": () => Deno.mkdirSync("/tmp/outside"),
    "rename to outside": () => Deno.renameSync(`${directory}/renamed`, "/tmp/outside"),
    "make a symlink": () => Deno.symlinkSync("/etc/passwd", `${directory}/link`),
    "make a hard link": () => Deno.linkSync("/etc/passwd", `${directory}/hard`),
    "read /etc/passwd": () => Deno.readTextFileSync("/etc/passwd"),
    "read /proc/self/environ": () => Deno.readTextFileSync("/proc/self/environ"),
    "read /proc/1/cgroup": () => Deno.readTextFileSync("/proc/1/cgroup"),
    "read by /proc/self/root": () => Deno.readTextFileSync("/proc/self/root/etc/passwd"),
    "read by /proc/self/cwd": () => Deno.readTextFileSync("/proc/self/cwd/deno.json"),
    "look at /": () => [...Deno.readDirSync("/")],
    "stat /etc/passwd": () => Deno.statSync("/etc/passwd"),
    "read the environment": () => Deno.env.get("HOME"),
    "read the whole environment": () => Deno.env.toObject(),
    "set the environment": () => Deno.env.set("A", "b"),
    "run a program": () => new Deno.Command("/bin/true").outputSync(),
    "load a library": () => Deno.dlopen("libc.so.6", {}),
    "know the host's name": () => Deno.hostname(),
    "know the network's interfaces": () => Deno.networkInterfaces(),
    "kill a process": () => Deno.kill(1, "SIGCONT"),
    "connect to another port": () => Deno.connect({ hostname: "127.0.0.1", port: elsewhere }),
    "connect to a metadata address": () => Deno.connect({ hostname: "169.254.169.254", port: 80 }),
    "fetch from elsewhere": () => fetch("http://198.51.100.1/"),
    "listen": () => Deno.listen({ hostname: "127.0.0.1", port: 0 }),
    "look up a name": () => Deno.resolveDns("example.com", "A"),
    "connect to a socket file": () => Deno.connect({ transport: "unix", path: "/var/run/docker.sock" }),
    "import code from elsewhere": () => import(["https:", "", "198.51.100.1", "x.js"].join("/")),
    "ask for more": async () => {
      const { state } = await Deno.permissions.request({ name: "read", path: "/etc" });
      if (state !== "granted") throw new Deno.errors.NotCapable(state);
    },
    "start a Worker that may do more": () =>
      new Worker("data:text/javascript,", {
        type: "module",
        deno: { permissions: { read: ["/etc"] } },
      } as WorkerOptions),
  };
}

/** The attempt's outcome: `ok`, or the error's name. */
async function outcomeOf(attempt: Attempt): Promise<string> {
  try {
    await attempt();
    return "ok";
  } catch (thrown) {
    return (thrown as Error).name;
  }
}

scope.onmessage = async ({ data }) => {
  if (data.kind !== "run") return;
  const { localDir } = unpack(data.command);
  const store = new URL(data.env.AWS_ENDPOINT_URL!);
  const all = { ...allowed(localDir, store), ...forbidden(localDir, Number(store.port) + 1) };
  const outcomes: Record<string, string> = {};
  for (const [name, attempt] of Object.entries(all)) outcomes[name] = await outcomeOf(attempt);
  const report = { allowed: Object.keys(allowed(localDir, store)), outcomes };
  Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(report)));
  scope.postMessage({ kind: "done", status: 0 });
};
