/**
 * What the end-to-end tests need of the machine: the compiled binary, servers (scripts/servers.sh), a Python (.ci/venv).
 * A test whose needs are not met is skipped by name; with COPILOT_TEST_REQUIRE=1 it fails.
 * @module
 */
import assert from "assert";

const ROOT = new URL("../../", import.meta.url).pathname;

/** The project's directory, with a slash at the end. */
export const PROJECT = ROOT;

function compiled(): string | undefined {
  const path = Deno.env.get("COPILOT_TEST_BIN") ?? `${ROOT}dist/copilot`;
  try {
    return Deno.statSync(path).isFile ? path : undefined;
  } catch {
    return undefined;
  }
}

/** Whether file systems can be mounted: as root, outside of containers that forbid it. */
function mounts(): string | undefined {
  const args = ["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"];
  try {
    return new Deno.Command("unshare", { args }).outputSync().success ? "yes" : undefined;
  } catch {
    return undefined;
  }
}

/** A cgroup with a limit of memory can be made below this directory: as root, on a machine with cgroups of version 1. */
function memoryCgroup(): string | undefined {
  return cgroup("memory");
}

function cgroup(controller: string): string | undefined {
  const parent = `/sys/fs/cgroup/${controller}`;
  const probe = `${parent}/copilot-test-probe`;
  try {
    Deno.mkdirSync(probe);
    Deno.removeSync(probe);
    return parent;
  } catch {
    return undefined;
  }
}

/** A cgroup with a limit of processes can be made below this directory: as root, on a machine with cgroups of version 1. */
function pidsCgroup(): string | undefined {
  return cgroup("pids");
}

/** A terminal for a program: util-linux's script(1). */
function script(): string | undefined {
  try {
    const { success } = new Deno.Command("script", { args: ["--version"] }).outputSync();
    return success ? "script" : undefined;
  } catch {
    return undefined;
  }
}

/** What there is, by the name that a skipped test shows. */
export const MACHINE = {
  binary: compiled(),
  python: Deno.env.get("COPILOT_TEST_PYTHON"),
  versitygw: Deno.env.get("COPILOT_TEST_S3"),
  versitygwTls: Deno.env.get("COPILOT_TEST_S3_TLS"),
  minio: Deno.env.get("COPILOT_TEST_MINIO"),
  ca: Deno.env.get("COPILOT_TEST_CA"),
  gcs: Deno.env.get("COPILOT_TEST_GCS"),
  azure: Deno.env.get("COPILOT_TEST_AZURE"),
  redis: Deno.env.get("COPILOT_TEST_REDIS"),
  mounts: mounts(),
  memoryCgroup: memoryCgroup(),
  pidsCgroup: pidsCgroup(),
  script: script(),
} as const;

/** Name of something that a test needs. */
export type Need = keyof typeof MACHINE;

const REQUIRED = Deno.env.get("COPILOT_TEST_REQUIRE") === "1";

/**
 * Registers a test that needs something of the machine.
 *
 * @param run gets the values of its needs
 */
export function testWith<N extends Need>(
  name: string,
  needs: readonly N[],
  run: (has: Record<N, string>, t: Deno.TestContext) => Promise<void>,
): void {
  const missing = needs.filter((need) => MACHINE[need] === undefined);
  Deno.test({
    name: missing.length === 0 ? name : `${name} [needs ${missing.join(", ")}: see tests/e2e/harness.ts]`,
    ignore: missing.length > 0 && !REQUIRED,
    async fn(t) {
      assert.deepEqual(missing, [], "what the test needs is there");
      await run(Object.fromEntries(needs.map((need) => [need, MACHINE[need]])) as Record<N, string>, t);
    },
  });
}

/** How a judge's output reads: `ok NAME`, `FAIL NAME: why`, comments after `#`. */
export interface Verdict {
  name: string;
  /** Null where all is well. */
  why: string | null;
}

/**
 * Runs a judge and makes a step of each line that it prints.
 *
 * @param atLeast how many verdicts an honest run gives
 */
export async function judge(
  t: Deno.TestContext,
  command: readonly string[],
  { atLeast }: { atLeast: number },
): Promise<void> {
  const [program, ...args] = command;
  const { stdout, stderr } = await new Deno.Command(program!, { args, cwd: ROOT }).output();
  const output = new TextDecoder().decode(stdout);
  const verdicts = output.split("\n").flatMap(parse);
  for (const { name, why } of verdicts) {
    await t.step(name, () => assert.equal(why, null, why ?? ""));
  }
  const context = `${output.slice(-2000)}\n${new TextDecoder().decode(stderr).slice(-2000)}`;
  assert(
    verdicts.length >= atLeast,
    `${verdicts.length} verdicts instead of ${atLeast} or more; the judge said: ${context}`,
  );
}

function parse(line: string): Verdict[] {
  const parts = /^(?:(ok)\s+(.*)|FAIL ([^:]*): (.*))$/.exec(line);
  if (parts === null) return [];
  return [{ name: parts[2] ?? parts[3]!, why: parts[1] === "ok" ? null : parts[4]! }];
}
