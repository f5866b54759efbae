/**
 * A task's pod, as `kubectl get pod -o yaml` shows it, to what `copilot run` needs of it.
 * @module
 */
import { cannot, type CopilotError } from "../errors.ts";

/** What a manifest says of a task. */
export interface PodTask {
  /** The pod's name. */
  name: string;
  /** Arguments of the copilot that fetches the inputs, without the program's name; undefined for a task without inputs. */
  download: readonly string[] | undefined;
  /** Arguments of the copilot that uploads the outputs; undefined for a task without outputs. */
  sidecar: readonly string[] | undefined;
  main: PodProgram;
}

/** The main container's program. */
export interface PodProgram {
  /** Command and arguments; empty where the manifest leaves them to the image. */
  argv: readonly string[];
  /** Variables with a value in the manifest. */
  env: Readonly<Record<string, string>>;
  /** Names of variables whose values are elsewhere: in a Secret, a ConfigMap, a container's limits. */
  unknownEnv: readonly string[];
  workingDir: string | undefined;
}

type Json = Record<string, unknown>;

/** What a copilot's command or arguments name. */
const DOWNLOAD = new Set(["download", "downloader"]);
const SIDECAR = new Set(["sidecar", "upload", "uploader"]);
const PROGRAM = /(^|\/)(flyte-)?copilot$/;

/** What Flyte writes to a pod that has more containers than it knows of. */
const PRIMARY = "primary_container_name";

/**
 * Reads a pod's manifest.
 *
 * @param text YAML or JSON
 * @param name the file, for messages
 * @throws CopilotError `config` for a text that is no pod, or a pod in which main cannot be told
 */
export async function readPodManifest(text: string, name: string): Promise<PodTask> {
  const { parse } = await import("../packages/yaml.ts");
  let value: unknown;
  try {
    value = parse(text, { maxAliasCount: 0, logLevel: "error" });
  } catch {
    // The library's message quotes the text, which may hold a secret.
    throw refuse(name, "it is not valid YAML");
  }
  return podTask(value, name);
}

function refuse(name: string, what: string): CopilotError {
  const wanted = "expected a pod's manifest, as kubectl get pod NAME -o yaml prints it";
  return cannot("use --from-pod", name, { config: `${what}, ${wanted}` });
}

function podTask(value: unknown, name: string): PodTask {
  if (!isRecord(value)) throw refuse(name, "it holds no mapping");
  const kind = String(value["kind"] ?? "nothing");
  if (kind !== "Pod") throw refuse(name, `its kind is ${kind}`);
  const metadata = recordOf(value["metadata"]);
  const spec = recordOf(value["spec"]);
  const containers = [...records(spec["initContainers"]), ...records(spec["containers"])];
  const copilots = containers.filter((container) => roleOf(container) !== null);
  const ofRole = (role: "download" | "sidecar") => copilots.find((container) => roleOf(container) === role);
  if (copilots.length === 0) {
    throw refuse(name, "none of its containers is a copilot that downloads or uploads");
  }
  const main = mainOf(records(spec["containers"]), metadata, name);
  const download = ofRole("download");
  const sidecar = ofRole("sidecar");
  return {
    name: String(metadata["name"] ?? "pod"),
    download: download && argumentsOf(download),
    sidecar: sidecar && argumentsOf(sidecar),
    main: programOf(main, metadata),
  };
}

/** The part that a container has in a task; null for main and strangers. */
function roleOf(container: Json): "download" | "sidecar" | null {
  const words = [...strings(container["command"]), ...strings(container["args"])];
  if (!words.some((word) => PROGRAM.test(word)) && !/copilot/.test(String(container["name"]))) return null;
  if (words.some((word) => DOWNLOAD.has(word))) return "download";
  return words.some((word) => SIDECAR.has(word)) ? "sidecar" : null;
}

/** A copilot's arguments: those of its command behind the program's name, then its args. */
function argumentsOf(container: Json): string[] {
  return [...strings(container["command"]).slice(1), ...strings(container["args"])];
}

function mainOf(containers: readonly Json[], metadata: Json, name: string): Json {
  const possible = containers.filter((container) => roleOf(container) === null);
  const wanted = recordOf(metadata["annotations"])[PRIMARY] ?? metadata["name"];
  const main = possible.find((container) => container["name"] === wanted) ??
    (possible.length === 1 ? possible[0] : undefined);
  if (main !== undefined) return main;
  const names = possible.map((container) => `"${container["name"]}"`).join(", ") || "none";
  throw refuse(name, `which container is main cannot be told (${names})`);
}

function programOf(container: Json, metadata: Json): PodProgram {
  const env: Record<string, string> = {};
  const unknownEnv: string[] = [];
  for (const variable of records(container["env"])) {
    const key = String(variable["name"]);
    const value = variable["valueFrom"] === undefined
      ? expand(String(variable["value"] ?? ""), env)
      : fieldOf(variable["valueFrom"], metadata);
    if (value === undefined) unknownEnv.push(key);
    else env[key] = value;
  }
  if (records(container["envFrom"]).length > 0) unknownEnv.push("envFrom");
  const argv = [...strings(container["command"]), ...strings(container["args"])];
  const workingDir = container["workingDir"];
  return {
    // Without a command the image's own entry point would come first, which no manifest knows.
    argv: strings(container["command"]).length === 0 ? [] : argv.map((word) => expand(word, env)),
    env,
    unknownEnv,
    workingDir: typeof workingDir === "string" && workingDir !== "" ? workingDir : undefined,
  };
}

/** `$(NAME)` as Kubernetes has it: the variable's value; as it stands where there is none; `$$(NAME)` is no reference. */
function expand(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(
    /\$\$|\$\(([A-Za-z_][\w.-]*)\)/g,
    (whole, name: string | undefined) =>
      name === undefined ? "$" : Object.hasOwn(env, name) ? env[name]! : whole,
  );
}

/** What the downward API would say, as far as the manifest holds it. */
function fieldOf(from: unknown, metadata: Json): string | undefined {
  const path = String(recordOf(recordOf(from)["fieldRef"])["fieldPath"] ?? "");
  const direct = /^metadata\.(name|namespace|uid)$/.exec(path)?.[1];
  if (direct !== undefined) return textOf(metadata[direct]);
  const [, map, key] = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(path) ?? [];
  return map === undefined ? undefined : textOf(recordOf(metadata[map])[key!]);
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function isRecord(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function recordOf(value: unknown): Json {
  return isRecord(value) ? value : {};
}

function records(value: unknown): Json[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
