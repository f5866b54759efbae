// deno-lint-ignore-file no-console -- a command-line tool: the terminal is its output
/**
 * Who takes part, and the command line of each for the same work.
 * @module
 */
import { type DataSet, interfaceOf } from "./cases.ts";

const HERE = new URL(".", import.meta.url).pathname;

/** Keys of the test servers (scripts/servers.sh). */
export const KEYS = { id: "testkey", secret: "testsecret" };
const REGION = "us-east-1";
/** The bucket that everything is in. */
export const BUCKET = "bench";

/** One run's work. */
export interface Work {
  set: DataSet;
  direction: "down" | "up";
  endpoint: string;
  /** PEM file to trust; empty over plain HTTP. */
  caFile: string;
  /** The directory to fill, or the one with the data set. */
  directory: string;
  /** Key prefix for uploads, without slashes at its ends. */
  target: string;
}

/** A program that can do it. */
export interface Contestant {
  name: string;
  version: string;
  /** The command, or null where it cannot do this work. */
  command(work: Work): string[] | null;
  /** Takes part in the first round only: so far behind that one figure tells enough, and three would take an hour. */
  isSlow: boolean;
}

/** The environment of every contestant. */
export function environment({ endpoint, caFile }: Pick<Work, "endpoint" | "caFile">): Record<string, string> {
  return {
    AWS_ACCESS_KEY_ID: KEYS.id,
    AWS_SECRET_ACCESS_KEY: KEYS.secret,
    AWS_REGION: REGION,
    AWS_ENDPOINT_URL: endpoint,
    S3_ENDPOINT_URL: endpoint,
    RCLONE_CONFIG: "/dev/null",
    PATH: Deno.env.get("PATH") ?? "",
    HOME: Deno.env.get("HOME") ?? "/",
    // S3 speaks HTTP/1.1; Go's clients would take HTTP/2 where the synthetic server offers it.
    GODEBUG: "http2client=0",
    ...(caFile === "" ? {} : { SSL_CERT_FILE: caFile }),
  };
}

/** Flags of copilot, which the Go original takes too. */
function flyte(binary: string, { set, direction, endpoint, directory, target }: Work): string[] {
  const stow = {
    auth_type: "accesskey",
    access_key_id: KEYS.id,
    secret_key: KEYS.secret,
    region: REGION,
    endpoint,
  };
  const storage = [
    "--storage.limits.maxDownloadMBs=0",
    `--storage.container=${BUCKET}`,
    "--storage.type=stow",
    "--storage.stow.kind=s3",
    ...Object.entries(stow).flatMap(([name, value]) => ["--storage.stow.config", `${name}=${value}`]),
    ...(endpoint.startsWith("http:") ? ["--storage.stow.config", "disable_ssl=true"] : []),
  ];
  const prefix = ["--to-output-prefix", `s3://${BUCKET}/${target}`];
  if (direction === "down") {
    const from = `s3://${BUCKET}/in/${set.name}/outputs.pb`;
    return [binary, ...storage, "download", "--from-remote", from, ...prefix, "--to-local-dir", directory];
  }
  return [
    ...[
      binary,
      ...storage,
      "sidecar",
      "--from-local-dir",
      directory,
      "--to-raw-output",
      `s3://${BUCKET}/${target}`,
    ],
    ...[...prefix, "--interface", interfaceOf(set)],
    ...["--start-watcher-type", "noop", "--exit-watcher-type", "noop", "--timeout", "1h"],
  ];
}

/** The bare objects of a data set, for tools that copy. */
function objects({ set }: Work): string {
  if (set.shape === "values") return `in/${set.name}/outputs.pb`;
  return set.shape === "file" ? `in/${set.name}/x` : `in/${set.name}/x/*`;
}

function files({ set, directory }: Work): string {
  return set.shape === "values"
    ? `${directory}/v0`
    : set.shape === "file"
    ? `${directory}/x`
    : `${directory}/x/`;
}

function s5cmd(binary: string, work: Work): string[] | null {
  if (!work.set.isCopy) return null;
  const remote = `s3://${BUCKET}/`;
  return [
    ...[binary, "--log", "error", "cp"],
    ...(work.direction === "down"
      ? [`${remote}${objects(work)}`, `${work.directory}/`]
      : [files(work), `${remote}${work.target}/`]),
  ];
}

function rclone(binary: string, work: Work): string[] | null {
  if (!work.set.isCopy) return null;
  const { endpoint, caFile, direction } = work;
  const remote =
    `:s3,provider=Other,env_auth=true,no_check_bucket=true,region=${REGION},endpoint="${endpoint}":${BUCKET}/`;
  const trust = caFile === "" ? [] : ["--ca-cert", caFile];
  const flags = ["copy", "--transfers", "32", "--checkers", "32", ...trust];
  return direction === "down"
    ? [binary, ...flags, `${remote}${objects(work).replace(/\/\*$/, "")}`, work.directory]
    : [binary, ...flags, files(work), `${remote}${work.target}`];
}

function aws(binary: string, work: Work): string[] | null {
  if (!work.set.isCopy) return null;
  const key = objects(work);
  const remote = `s3://${BUCKET}/${work.direction === "down" ? key.replace(/\*$/, "") : `${work.target}/`}`;
  const [from, to] = work.direction === "down" ? [remote, `${work.directory}/`] : [files(work), remote];
  const trust = work.caFile === "" ? [] : ["--ca-bundle", work.caFile];
  return [
    binary,
    "s3",
    "cp",
    "--only-show-errors",
    ...trust,
    ...(/\/$/.test(from) ? ["--recursive"] : []),
    from,
    to,
  ];
}

/** The least that a start can cost: copilot is held against it where it does hardly anything else. */
export function floorOf(binary: string): Contestant {
  return {
    name: "floor",
    version: "a program of one line with an empty Worker",
    command: ({ set, direction }) => set.shape === "values" && direction === "down" ? [binary] : null,
    isSlow: false,
  };
}

/** What only some machines have is looked for on PATH, what anyone can install is installed (peers.sh). */
const PEERS = [
  { name: "go copilot", program: "flyte-copilot", version: [], command: flyte, isSlow: false },
  { name: "s5cmd", program: "s5cmd", version: ["version"], command: s5cmd, isSlow: false },
  { name: "rclone", program: "rclone", version: ["version"], command: rclone, isSlow: false },
  { name: "aws", program: "aws", version: ["--version"], command: aws, isSlow: true },
] as const;

function output(command: string[]): string | null {
  try {
    const { success, stdout } = new Deno.Command(command[0]!, { args: command.slice(1), stderr: "inherit" })
      .outputSync();
    return success ? new TextDecoder().decode(stdout).trim() : null;
  } catch {
    return null;
  }
}

/** Where the programs of the peers are that were installed. */
function installed(): Map<string, string> {
  const lines = output([`${HERE}peers.sh`])?.split("\n") ?? [];
  return new Map(lines.map((line) => line.split("=") as [string, string]));
}

/** copilot and those of the others that are to be had. */
export function findContestants(binary: string, wanted: readonly string[]): Contestant[] {
  const found: Contestant[] = [{
    name: "copilot",
    version: output([binary, "version"])?.split("\n")[0] ?? "",
    command: (work) => flyte(binary, work),
    isSlow: false,
  }];
  const programs = wanted.length === 0 ? new Map<string, string>() : installed();
  for (const { name, program, version, command, isSlow } of PEERS) {
    if (!wanted.includes(name)) continue;
    const path = programs.get(program) ?? output(["sh", "-c", `command -v ${program}`]);
    if (path === null) {
      console.error(`SKIPPED ${name}: there is no ${program} on PATH`);
      continue;
    }
    const text = version.length === 0 ? "" : output([path, ...version])?.split("\n")[0] ?? "";
    found.push({ name, version: text, command: (work) => command(path, work), isSlow });
  }
  return found;
}
