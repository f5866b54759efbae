/**
 * Pods as a cluster runs them, made with podman: containers of the scratch image beside containers of other images, one PID namespace
 * if it is asked for, and a directory as the volume. Native sidecars are played by starting the sidecar first and stopping it when
 * main has ended, which is what the kubelet does.
 * @module
 */
import assert from "assert";
import { Buffer } from "node:buffer";
import { encode } from "../../src/flyte/codec/idl.ts";
import { Bucket } from "../faults/bucket.ts";
import { storeFlags } from "../faults/copilot.ts";
import { FILE, INTEGER, outputs } from "../support/plans.ts";

/** What the tests take from the environment; .ci/stages/85-pods.sh sets it. */
const SETTINGS = {
  image: "COPILOT_TEST_POD_IMAGE",
  tools: "COPILOT_TEST_POD_TOOLS",
  s3: "COPILOT_TEST_S3",
  kube: "COPILOT_TEST_KUBE",
  kubeDir: "COPILOT_TEST_KUBE_DIR",
  scratchImage: "COPILOT_TEST_SCRATCH_IMAGE",
  distrolessImage: "COPILOT_TEST_DISTROLESS_IMAGE",
} as const;

/** A setting's value. @throws where it is not set, which a test's {@linkcode testPod} has ruled out */
export function setting(name: keyof typeof SETTINGS): string {
  const value = Deno.env.get(SETTINGS[name]);
  assert(value !== undefined, `${SETTINGS[name]} is set`);
  return value;
}

/** Registers a test that needs podman; without the pods stage's environment it is skipped by name. */
export function testPod(
  name: string,
  run: (t: Deno.TestContext) => Promise<void>,
  needs: (keyof typeof SETTINGS)[] = ["image", "tools", "s3"],
): void {
  const missing = needs.filter((need) => Deno.env.get(SETTINGS[need]) === undefined);
  Deno.test({
    name: missing.length === 0 ? name : `${name} [needs ${missing.join(", ")}: see .ci/stages/85-pods.sh]`,
    ignore: missing.length > 0,
    fn: run,
  });
}

/** What came of a command. */
export interface Output {
  code: number;
  stdout: string;
  stderr: string;
}

/** After this time a call of podman hangs; the longest wait of any test is far below. */
const PODMAN_LIMIT_MS = 120_000;

/** Runs podman, in a directory if one is named. */
export async function podman(args: readonly string[], cwd?: string): Promise<Output> {
  const signal = AbortSignal.timeout(PODMAN_LIMIT_MS);
  const command = new Deno.Command("podman", {
    args: [...args],
    stdin: "null",
    signal,
    ...(cwd ? { cwd } : {}),
  });
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

async function must(args: readonly string[], cwd?: string): Promise<string> {
  const { code, stdout, stderr } = await podman(args, cwd);
  assert.equal(code, 0, `podman ${args.join(" ")}: ${stderr}`);
  return stdout.trim();
}

/** The tests' bucket in the S3 server. */
export function openBucket(): Promise<Bucket> {
  return Bucket.open(setting("s3"), "pods");
}

/** How a pod is made. */
export interface PodOptions {
  /** Whether its containers see each other's processes. */
  sharesProcesses?: boolean;
  /** `host` or `private`: what the containers see of their cgroups. */
  cgroups?: "host" | "private";
}

/** What a sidecar says as soon as it watches. */
export const WATCHING = "waiting for the main container";

/** How a container of a pod is made. */
export interface ContainerOptions {
  /** `uid:gid`. */
  user?: string;
  image?: string;
  /** More of podman's flags. */
  flags?: readonly string[];
  /** Whether the output volume is mounted. Default true. */
  volume?: boolean;
}

/** Where a container's processes are never root, may write nowhere but to the volumes, and have no capability. */
const RESTRICTED = [
  "--read-only",
  "--read-only-tmpfs=false",
  "--cap-drop=all",
  "--security-opt=no-new-privileges",
];

/** One pod, and the directory that is its volume at /var/outputs. `await using` removes both. */
export class Pod implements AsyncDisposable {
  readonly name: string;
  /** The volume as this machine sees it. */
  readonly volume: string;
  /** Where this pod's objects are: `s3://pods/<prefix>`. */
  readonly prefix: string;
  readonly #options: PodOptions;
  #containers: string[] = [];

  private constructor(name: string, volume: string, options: PodOptions) {
    this.name = name;
    this.prefix = name;
    this.volume = volume;
    this.#options = options;
  }

  static async create(options: PodOptions = {}): Promise<Pod> {
    const { sharesProcesses = true } = options;
    const name = `copilot-${crypto.randomUUID().slice(0, 8)}`;
    const volume = await Deno.makeTempDir({ prefix: "copilot-pod-" });
    await Deno.chmod(volume, 0o1777);
    const share = sharesProcesses ? "pid,net,ipc,uts" : "net,ipc,uts";
    await must(["pod", "create", "--name", name, "--share", share, "--network", "host"]);
    return new Pod(name, volume, options);
  }

  /** Starts a container and leaves it running. */
  async start(role: string, command: readonly string[], options: ContainerOptions = {}): Promise<void> {
    await must(["run", "-d", ...this.#arguments(role, options), ...command], this.volume);
  }

  /** Runs a container to its end. */
  async run(role: string, command: readonly string[], options: ContainerOptions = {}): Promise<Output> {
    return await podman(["run", ...this.#arguments(role, options), ...command], this.volume);
  }

  /** Runs main, a shell script of another user than the sidecar's. Main's exit code is `code`. */
  main(script: string, options: ContainerOptions = {}): Promise<Output> {
    const user = "65532:65532";
    return this.run("main", ["sh", "-c", script], { user, image: setting("tools"), ...options });
  }

  /** Runs main with the mount by which a container shows its name in a cluster. */
  async mainNamed(name: string, script: string, options: ContainerOptions = {}): Promise<Output> {
    await using mount = await terminationLog(name);
    return await this.main(script, { ...options, flags: [...(options.flags ?? []), ...mount.flags] });
  }

  /** Starts the sidecar as uid 1000 and waits until it watches. */
  async sidecar(flags: readonly string[], options: SidecarOptions = {}): Promise<void> {
    await this.start("sidecar", [...this.sidecarCommand(options), ...flags], {
      user: "1000:1000",
      ...options,
    });
    await this.said("sidecar", WATCHING);
  }

  /** The sidecar's arguments, as Flyte's plugin writes them. */
  sidecarCommand({ endpoint = setting("s3") }: SidecarOptions = {}): string[] {
    const to = `s3://pods/${this.prefix}`;
    return [
      ...storeFlags(endpoint),
      "sidecar",
      ...["--from-local-dir", "/var/outputs", "--interface", INTERFACE],
      ...["--to-raw-output", `${to}/raw`, "--to-output-prefix", `${to}/out`],
    ];
  }

  /** The downloader's arguments, as Flyte's plugin writes them. */
  downloadCommand(directory = "/var/inputs"): string[] {
    const at = `s3://pods/${this.prefix}`;
    return [
      ...storeFlags(setting("s3")),
      "download",
      ...["--from-remote", `${at}/in/inputs.pb`, "--to-output-prefix", `${at}/out`],
      ...["--to-local-dir", directory, "--format", "JSON"],
    ];
  }

  /** Waits until a container's log holds a text, or holds it several times. */
  async said(role: string, text: string, times = 1): Promise<void> {
    for (let left = 600; left > 0; left--) {
      if ((await this.log(role)).split(text).length > times) return;
      await new Promise((wake) => setTimeout(wake, 50));
    }
    assert.fail(`${role} never said "${text}": ${await this.log(role)}`);
  }

  /** Everything that a container wrote. */
  async log(role: string): Promise<string> {
    const { stdout, stderr } = await podman(["logs", `${this.name}-${role}`]);
    return stdout + stderr;
  }

  /** SIGTERM, and SIGKILL when the grace is over; resolves to the exit code. */
  async stop(role: string, graceSeconds = 30): Promise<number> {
    await must(["stop", "-t", String(graceSeconds), `${this.name}-${role}`]);
    return await this.wait(role);
  }

  /** Sends a signal. */
  async kill(role: string, signal: string): Promise<void> {
    await must(["kill", "-s", signal, `${this.name}-${role}`]);
  }

  /** Waits for a container's end; resolves to its exit code. */
  async wait(role: string): Promise<number> {
    return Number(await must(["wait", `${this.name}-${role}`]));
  }

  /** Starts an ended container again, as the kubelet does. */
  async restart(role: string): Promise<void> {
    await must(["start", `${this.name}-${role}`]);
  }

  /** A field of `podman inspect`. */
  async inspect(role: string, format: string): Promise<string> {
    return await must(["inspect", "--format", format, `${this.name}-${role}`]);
  }

  /** Runs a command in a running container. @param flags podman's */
  async exec(role: string, command: readonly string[], flags: readonly string[] = []): Promise<void> {
    await must(["exec", ...flags, `${this.name}-${role}`, ...command]);
  }

  /** Removes a container, so that its role can be played again. */
  async forget(role: string): Promise<void> {
    await must(["rm", "-f", "-t", "0", `${this.name}-${role}`]);
    this.#containers = this.#containers.filter((one) => one !== role);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const role of this.#containers) await podman(["kill", `${this.name}-${role}`]);
    await podman(["pod", "rm", "-f", "-t", "0", this.name]);
    await Deno.remove(this.volume, { recursive: true });
  }

  #arguments(role: string, options: ContainerOptions): string[] {
    const { user = "65532:65532", image = setting("image"), flags = [], volume = true } = options;
    this.#containers.push(role);
    return [
      ...["--name", `${this.name}-${role}`, "--pod", this.name, "--user", user],
      ...RESTRICTED,
      ...["--cgroupns", this.#options.cgroups ?? "host"],
      ...(volume ? ["--volume", `${this.volume}:/var/outputs`] : []),
      ...flags,
      image,
    ];
  }
}

/** The mount on /dev/termination-log as a cluster has it, which names the container; podman has none of its own. */
async function terminationLog(name: string): Promise<AsyncDisposable & { flags: string[] }> {
  const root = await Deno.makeTempDir({ prefix: "copilot-pod-" });
  const directory = `${root}/pods/0f3c1a52-7d5e-4b55-9f0a-5f6f0d7b9a11/containers/${name}`;
  await Deno.mkdir(directory, { recursive: true });
  await Deno.writeTextFile(`${directory}/1a2b3c4d`, "");
  await Deno.chmod(`${directory}/1a2b3c4d`, 0o666);
  return {
    flags: ["--volume", `${directory}/1a2b3c4d:/dev/termination-log`],
    [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }),
  };
}

/** How the sidecar is made. */
export interface SidecarOptions extends ContainerOptions {
  /** URL of the store, or of a proxy in front of it. */
  endpoint?: string;
}

/** An integer `number` and a file `file`. */
const INTERFACE = Buffer.from(encode("TypedInterface", outputs({ number: INTEGER, file: FILE }))).toString(
  "base64",
);

/** Whether this kernel tells a process's exit code to others than its parent: Linux 6.15. */
export function tellsExitCodes(): boolean {
  const [major = 0, minor = 0] = Deno.osRelease().split(".").map(Number);
  return major > 6 || major === 6 && minor >= 15;
}

/** A main that leaves both outputs. */
export const GOOD_MAIN = "echo 42 >/var/outputs/number; echo content >/var/outputs/file";

/** Flags for one watcher in both roles. */
export function watch(name: string, ...more: string[]): string[] {
  return ["--start-watcher-type", name, "--exit-watcher-type", name, ...more];
}
