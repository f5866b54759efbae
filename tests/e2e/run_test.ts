/** `copilot run` on the executable: a task's inputs, its command and its outputs in one process. */
import assert from "assert";
import { decode, decodeLiteralMap, encode, encodeLiteralMap } from "../../src/flyte/codec/idl.ts";
import { ErrorOrigin } from "../../src/flyte/types.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../support/flows.ts";
import { blob, FILE, INTEGER, integer, literalMap, outputs } from "../support/plans.ts";
import { Bucket } from "../faults/bucket.ts";
import { PROJECT, testWith } from "./harness.ts";

interface Result {
  status: number;
  stdout: string;
  stderr: string;
}

interface Start {
  binary: string;
  cwd?: string;
  env?: Record<string, string>;
  /** What to put in front of the program. */
  wrapper?: readonly string[];
  stdin?: "piped" | "null";
}

function start(args: readonly string[], { binary, cwd, env = {}, wrapper = [], stdin = "null" }: Start) {
  const [program, ...rest] = [...wrapper, binary, ...args] as [string, ...string[]];
  return new Deno.Command(program, {
    args: rest,
    env: { HOME: "/nonexistent", PATH: "/usr/bin:/bin", ...env },
    clearEnv: true,
    stdin,
    stdout: "piped",
    stderr: "piped",
    ...(cwd === undefined ? {} : { cwd }),
  }).spawn();
}

async function ended(child: Deno.ChildProcess): Promise<Result> {
  const { code, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { status: code, stdout: text(stdout), stderr: text(stderr) };
}

/** A task with one integer in and one integer and one file out, on local directories. */
function flags(dir: TemporaryDirectory, ...more: string[]): string[] {
  if (Deno.statSync(dir.path).isDirectory) {
    dir.write("in/inputs.pb", encodeLiteralMap(literalMap({ n: integer(7) })));
  }
  return [
    "run",
    `--inputs=${dir.at("in")}`,
    `--outputs=${dir.at("out")}`,
    `--to-local-dir=${dir.at("inputs")}`,
    `--from-local-dir=${dir.at("outputs")}`,
    `--interface=${encode("TypedInterface", outputs({ m: INTEGER })).toBase64()}`,
    ...more,
  ];
}

function errorIn(dir: TemporaryDirectory) {
  const name = [...Deno.readDirSync(dir.at("out"))].map(({ name }) => name).find((name) =>
    /^errors?\.pb$/.test(name)
  );
  assert(name !== undefined, `an error document in ${Object.keys(dir.tree())}`);
  assert(!Object.hasOwn(dir.tree(), "out/outputs.pb"), "never both documents");
  return decode("ErrorDocument", Deno.readFileSync(dir.at(`out/${name}`))).error!;
}

/** The one output of a task, as its own document. */
function outputOf(dir: TemporaryDirectory, name: string): Uint8Array {
  const { literals } = decodeLiteralMap(Deno.readFileSync(dir.at("out/outputs.pb")));
  return encodeLiteralMap(literalMap({ [name]: literals.get(name)! }));
}

const shell = (script: string) => ["--", "sh", "-c", script];

testWith(
  "copilot run: inputs, command, outputs; the streams are the command's own",
  ["binary"],
  async ({ binary }) => {
    using dir = temporaryDirectory();
    const script = `cat; echo said; echo cried >&2; echo $(( $(cat ${dir.at("inputs/n")}) + 1 )) > ${
      dir.at("outputs/m")
    }`;
    const child = start([...flags(dir), ...shell(script)], { binary, stdin: "piped" });
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode("typed\n"));
    await writer.close();
    const { status, stdout, stderr } = await ended(child);
    assert.equal(status, 0, stderr);
    assert.equal(stdout, "typed\nsaid\n");
    assert(stderr.includes("cried\n"), stderr);
    assert.deepEqual(outputOf(dir, "m"), encodeLiteralMap(literalMap({ m: integer(8) })));
  },
);

testWith("copilot run: a command that fails is told with its exit status, and copilot ends with it", [
  "binary",
], async ({ binary }) => {
  using dir = temporaryDirectory();
  const { status, stderr } = await ended(start([...flags(dir), ...shell("exit 7")], { binary }));
  assert.equal(status, 7, stderr);
  const { code, message, origin } = errorIn(dir);
  assert.deepEqual([code, origin], ["CommandFailed", ErrorOrigin.USER]);
  assert.equal(message, 'The command "sh" exited with status 7');
});

testWith(
  "copilot run: the task's own _ERROR says more than its exit status",
  ["binary"],
  async ({ binary }) => {
    using dir = temporaryDirectory();
    const script = `echo bad rows > ${dir.at("outputs/_ERROR")}; exit 3`;
    const { status, stderr } = await ended(start([...flags(dir), ...shell(script)], { binary }));
    assert.equal(status, 3, stderr);
    assert.match(errorIn(dir).message, /^User Error: bad rows/);
  },
);

testWith(
  "copilot run: a command that a signal ends gives 128 and the signal's number",
  ["binary"],
  async ({ binary }) => {
    using dir = temporaryDirectory();
    const { status } = await ended(start([...flags(dir), ...shell("kill -KILL $$")], { binary }));
    assert.equal(status, 137);
    const { code, message } = errorIn(dir);
    assert.equal(code, "CommandFailed");
    assert.match(message, /was ended by SIGKILL, exit status 137$/);
  },
);

/** Starts a task and waits until its command has said something. */
async function running(
  args: readonly string[],
  binary: string,
): Promise<[Deno.ChildProcess, Promise<string>]> {
  const child = start(args, { binary });
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = (await reader.read()).value ?? "";
  const rest = (async () => {
    for (let chunk; !(chunk = await reader.read()).done;) text += chunk.value;
    return text;
  })();
  return [child, rest];
}

for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1"] as const) {
  testWith(
    `copilot run: ${signal} is passed on to a command that handles it`,
    ["binary"],
    async ({ binary }) => {
      using dir = temporaryDirectory();
      const name = signal.slice(3);
      const script = `trap 'echo got ${name}; echo 1 > ${
        dir.at("outputs/m")
      }; exit 0' ${name}; echo ready; while :; do sleep 0.05; done`;
      const [child, stdout] = await running([...flags(dir), ...shell(script)], binary);
      child.kill(signal);
      assert.equal(await stdout, `ready\ngot ${name}\n`);
      await child.stderr.cancel();
      assert.equal((await child.status).code, 0);
      assert(Object.hasOwn(dir.tree(), "out/outputs.pb"));
    },
  );
}

testWith(
  "copilot run: a command that SIGTERM ends was stopped from outside: SYSTEM, status 143",
  ["binary"],
  async ({ binary }) => {
    using dir = temporaryDirectory();
    const [child] = await running([...flags(dir), ...shell("echo ready; exec sleep 60")], binary);
    child.kill("SIGTERM");
    await child.stderr.cancel();
    assert.equal((await child.status).code, 143);
    const { code, origin } = errorIn(dir);
    assert.deepEqual([code, origin], ["CommandInterrupted", ErrorOrigin.SYSTEM]);
  },
);

for (
  const [command, expected, why] of [
    [["no-such-program"], 127, /no such program/],
    [["/etc/passwd"], 126, /may not be executed/],
  ] as const
) {
  testWith(
    `copilot run -- ${command}: status ${expected}, told by the error document`,
    ["binary"],
    async ({ binary }) => {
      using dir = temporaryDirectory();
      const { status, stderr } = await ended(start([...flags(dir), "--", ...command], { binary }));
      assert.equal(status, expected, stderr);
      const { code, message, origin } = errorIn(dir);
      assert.deepEqual([code, origin], ["CommandNotStarted", ErrorOrigin.USER]);
      assert.match(message, why);
    },
  );
}

testWith(
  "copilot run: an output that is missing fails a command that went well",
  ["binary"],
  async ({ binary }) => {
    using dir = temporaryDirectory();
    const { status, stderr } = await ended(start([...flags(dir), "--", "true"], { binary }));
    assert.equal(status, 1, stderr);
    assert.match(errorIn(dir).message, /variable m/);
  },
);

testWith(
  "copilot run: inputs that cannot be fetched fail before the command begins",
  ["binary"],
  async ({ binary }) => {
    using dir = temporaryDirectory();
    const args = flags(dir);
    dir.write("in/inputs.pb", encodeLiteralMap(literalMap({ f: blob(dir.at("gone")) })));
    const { status, stdout } = await ended(start([...args, ...shell("echo ran")], { binary }));
    assert.equal(status, 1);
    assert.equal(stdout, "");
    const { code, message } = errorIn(dir);
    assert.equal(code, "InputDownloadFailed");
    assert(message.includes("variable f"), message);
  },
);

testWith(
  "copilot run --upload-mode=UPLOAD_EAGER: a command that fails declares no outputs",
  ["binary"],
  async ({ binary }) => {
    using dir = temporaryDirectory();
    const args = [
      ...flags(dir, "--upload-mode=UPLOAD_EAGER"),
      ...shell(`echo 1 > ${dir.at("outputs/m")}; exit 5`),
    ];
    const { status, stderr } = await ended(start(args, { binary }));
    assert.equal(status, 5, stderr);
    assert.equal(errorIn(dir).code, "CommandFailed");
  },
);

testWith(
  "copilot run: what is wrong with the command line is status 2, and nothing runs",
  ["binary"],
  async ({ binary }) => {
    using dir = temporaryDirectory();
    const cases: [string[], RegExp][] = [
      [["run", "--outputs=out"], /no command, expected it behind \\*"--/],
      [["run", "--", "true"], /no place for outputs, expected --outputs URI or --from-pod FILE/],
      [["run", "--outputs=out", "true"], /takes flags, then \\*"--\\*" and the command/],
      [
        ["run", "--outputs=out", "--start-watcher-type=file", "--", "true"],
        /Unknown flag \\*"--start-watcher-type/,
      ],
      [["run", "--from-pod=gone.yaml"], /gone\.yaml/],
    ];
    for (const [args, expected] of cases) {
      const { status, stdout, stderr } = await ended(start(args, { binary, cwd: dir.path }));
      assert.equal(status, 2, `${args}: ${stderr}`);
      assert.match(stderr, expected);
      assert.equal(stdout, "");
    }
    // Where the outputs would go, whoever waits for them finds the reason.
    assert.deepEqual(Object.keys(dir.tree()), ["out/", "out/error.pb"]);
  },
);

testWith("copilot run --from-pod: a recorded pod again, with its own flags, command and environment", [
  "binary",
], async ({ binary }) => {
  using dir = temporaryDirectory();
  const manifest = Deno.readTextFileSync(`${PROJECT}tests/data/pods/v2.stow.template.yaml`)
    .replaceAll("/var/", `${dir.path}/`)
    .replace("echo -n $0-$1", "echo $_F_PN >&2; echo -n $0-$1");
  dir.write("pod.yaml", manifest);
  dir.write("inputs.pb", Deno.readFileSync(`${PROJECT}tests/data/pods/template.inputs.pb`));
  const args = ["run", "--from-pod=pod.yaml", `--inputs=${dir.at("inputs.pb")}`];
  const { status, stdout, stderr } = await ended(start(args, { binary, cwd: dir.path }));
  assert.equal(status, 0, stderr);
  assert.match(stdout, /^saw a NQ==$/m);
  assert.match(stderr, /^v2-stow-template$/m);
  const { literals } = decodeLiteralMap(Deno.readFileSync(dir.at("v2-stow-template-outputs/outputs.pb")));
  assert(literals.has("out"));
  assert(!/testsecret/.test(stderr), stderr);
});

testWith("copilot run --from-pod … -- CMD: another command over the same pod; a task without outputs", [
  "binary",
], async ({ binary }) => {
  using dir = temporaryDirectory();
  const manifest = Deno.readTextFileSync(`${PROJECT}tests/data/pods/v1.16.8.stow.nooutputs.yaml`);
  dir.write("pod.yaml", manifest.replaceAll("/var/", `${dir.path}/`));
  dir.write("inputs.pb", encodeLiteralMap(literalMap({ i: integer(1) })));
  const args = [
    "run",
    "--from-pod=pod.yaml",
    `--inputs=${dir.at("inputs.pb")}`,
    `--from-local-dir=${dir.at("o")}`,
  ];
  const { status, stdout, stderr } = await ended(
    start([...args, "--", "cat", dir.at("inputs/i")], { binary, cwd: dir.path }),
  );
  assert.equal(status, 0, stderr);
  assert.equal(stdout.trim(), "1");
});

const AS_INIT = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"];

testWith("copilot run as process 1: orphans are no zombies", ["binary", "mounts"], async ({ binary }) => {
  using dir = temporaryDirectory();
  const script = `echo $PPID; for i in 1 2 3 4 5; do (setsid true &); done; sleep 1; ` +
    `grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l > ${dir.at("outputs/m")}`;
  const { status, stdout, stderr } = await ended(
    start([...flags(dir), ...shell(script)], { binary, wrapper: AS_INIT }),
  );
  assert.equal(status, 0, stderr);
  assert.equal(stdout, "1\n");
  assert.deepEqual(outputOf(dir, "m"), encodeLiteralMap(literalMap({ m: integer(0) })));
});

testWith(
  "copilot run as process 1: what the command has left running ends with it",
  ["binary", "mounts"],
  async ({ binary }) => {
    using dir = temporaryDirectory();
    const type = encode("TypedInterface", outputs({ f: FILE })).toBase64();
    const script = `(while :; do echo more >> ${dir.at("outputs/f")}; done) & sleep 0.3; exit 0`;
    const { status, stderr } = await ended(
      start([...flags(dir, `--interface=${type}`), ...shell(script)], { binary, wrapper: AS_INIT }),
    );
    assert.equal(status, 0, stderr);
    assert.deepEqual(Deno.readFileSync(dir.at("out/f")), Deno.readFileSync(dir.at("outputs/f")));
  },
);

testWith(
  "copilot run: a command that the kernel kills for memory is OOMKilled",
  ["binary", "memoryCgroup"],
  async ({ binary, memoryCgroup }) => {
    using dir = temporaryDirectory();
    const cgroup = `${memoryCgroup}/copilot-test-${crypto.randomUUID()}`;
    Deno.mkdirSync(cgroup);
    try {
      Deno.writeTextFileSync(`${cgroup}/memory.limit_in_bytes`, String(160 * 1024 * 1024));
      const wrapper = ["sh", "-c", `echo $$ > ${cgroup}/cgroup.procs; exec "$@"`, "sh"];
      // The shell doubles its variable until the limit is reached.
      const greedy = shell("x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; done");
      const { status, stderr } = await ended(start([...flags(dir), ...greedy], { binary, wrapper }));
      assert.equal(status, 137, stderr);
      const { code, message, origin } = errorIn(dir);
      assert.deepEqual([code, origin], ["OOMKilled", ErrorOrigin.USER]);
      assert.match(message, /the limit is 167772160 bytes$/);
    } finally {
      Deno.removeSync(cgroup);
    }
  },
);

testWith("copilot download, sidecar, run --dry-run: the plan on standard output, and nothing made", [
  "binary",
], async ({ binary }) => {
  using dir = temporaryDirectory();
  const task = flags(dir, "--dry-run");
  const download = [
    "download",
    "--dry-run",
    `--from-remote=${dir.at("in/inputs.pb")}`,
    `--to-output-prefix=${dir.at("out")}`,
    `--to-local-dir=${dir.at("inputs")}`,
  ];
  const before = dir.tree();
  for (const args of [download, [...task, ...shell("echo ran")]]) {
    const { status, stdout, stderr } = await ended(start(args, { binary }));
    assert.equal(status, 0, stderr);
    assert(stdout.includes(`variable n -> ${dir.at("inputs/n")}`), stdout);
    assert.match(stdout, /^Dry run: 3 files, .* would be downloaded, nothing was$/m);
    assert(!stdout.includes("ran\n"), stdout);
  }
  assert.deepEqual(dir.tree(), before);
});

testWith(
  "copilot run --from-pod: inputs come from the pod's own store, outputs go to a local directory, nothing else changes",
  ["binary", "versitygw"],
  async ({ binary, versitygw }) => {
    using dir = temporaryDirectory();
    const prefix = `from-pod-${crypto.randomUUID()}`;
    const bucket = await Bucket.open(versitygw, "flyte");
    const inputs = `${prefix}/metadata/propeller/flytesnacks-development-template/n0/data/inputs.pb`;
    await bucket.put(inputs, Deno.readFileSync(`${PROJECT}tests/data/pods/template.inputs.pb`));
    const manifest = Deno.readTextFileSync(`${PROJECT}tests/data/pods/v2.stow.template.yaml`)
      .replaceAll("{{BUCKET}}", "flyte").replaceAll("{{PREFIX}}", prefix).replaceAll(
        "{{S3_ENDPOINT}}",
        versitygw,
      )
      .replaceAll("/var/", `${dir.path}/`);
    dir.write("pod.yaml", manifest);
    const { status, stderr } = await ended(start(["run", "--from-pod=pod.yaml"], { binary, cwd: dir.path }));
    assert.equal(status, 0, stderr);
    assert(Object.hasOwn(dir.tree(), "v2-stow-template-outputs/outputs.pb"));
    assert.deepEqual(await bucket.keys(`${prefix}/`), [inputs]);
    bucket.close();
  },
);
