/**
 * The promises of docs/security.md on the compiled binary, with a real store behind a proxy that fails as it is told:
 * each fault alone. Many at once, and kills, are in kills_test.ts and scripts/soak.ts.
 * @module
 */
import assert from "assert";
import { Bucket, SECRET_KEY } from "../faults/bucket.ts";
import { type Outcome, runCopilot } from "../faults/copilot.ts";
import {
  type Asked,
  type Fault,
  faultFor,
  isComplete,
  isGet,
  isList,
  isPart,
  isPut,
  type Plan,
} from "../faults/fault.ts";
import { FaultProxy } from "../faults/proxy.ts";
import { Random } from "../faults/random.ts";
import { downloadScene, type Scene, type SceneOptions, uploadScene } from "../faults/scene.ts";
import { testWith } from "./harness.ts";

const MIB = 1024 * 1024;
const ALWAYS = Infinity;
/** What a run may take after its deadline: for the removal of its parts, and for error.pb. */
const LAST_WORDS_MS = 45_000;
const NEEDS = ["binary", "versitygw"] as const;
type Has = Record<(typeof NEEDS)[number], string>;

interface Case {
  kind: "download" | "upload";
  plan?: Plan;
  /** A plan that needs to know the scene. */
  planFor?: (scene: SceneOptions) => Plan;
  largeBytes?: number;
  deadlineMs?: number;
  /** What error.pb must say; absent for a run that must succeed. */
  error?: RegExp;
  /** Whether success is right too: the version that the first reply has came whole. */
  maySucceed?: boolean;
  /** Requests that the plan's fault may hit at most. */
  atMost?: number;
  directory?: string;
}

interface Judged {
  outcome: Outcome;
  error: string | null;
  proxy: FaultProxy;
  scene: Scene;
}

let scenes = 0;

/** Runs a case and holds it to what every run promises. */
async function run(has: Has, wanted: Case): Promise<Judged> {
  const bucket = await Bucket.open(has.versitygw, "faults");
  const random = new Random(`${++scenes}`);
  const directory = wanted.directory ?? Deno.makeTempDirSync({ prefix: "copilot-faults-" });
  const options = {
    bucket,
    id: `c${Deno.pid}-${scenes}`,
    random,
    directory,
    largeBytes: wanted.largeBytes ?? 0,
  };
  const scene = wanted.kind === "download" ? await downloadScene(options) : uploadScene(options);
  const { deadlineMs = 120_000 } = wanted;
  await using proxy = new FaultProxy(has.versitygw, wanted.planFor?.(options) ?? wanted.plan);
  try {
    const outcome = await runCopilot({
      binary: has.binary,
      endpoint: proxy.url,
      args: scene.args(deadlineMs),
      boundMs: deadlineMs + LAST_WORDS_MS,
    });
    const error = await scene.error();
    const context = `${error}\n${outcome.stderr.slice(-1500)}`;
    assert.equal(outcome.hung, false, `it ends by itself\n${context}`);
    assert.deepEqual(await scene.violations(), [], context);
    assert.deepEqual(await scene.leftovers(), [], context);
    assert.equal(outcome.code, 0, context);
    const succeeded = await scene.succeeded();
    if (!wanted.maySucceed) assert.equal(succeeded, wanted.error === undefined, context);
    if (succeeded || wanted.error === undefined) assert.equal(error, null);
    else assert.match(error ?? "no error.pb", wanted.error);
    assert.ok(!`${outcome.stdout}${outcome.stderr}${error}`.includes(SECRET_KEY), "no secret shows");
    if (wanted.atMost !== undefined) {
      assert.ok(proxy.injected.length <= wanted.atMost, "it is not tried again");
    }
    return { outcome, error, proxy, scene };
  } finally {
    await scene.clear().catch(() => {});
    bucket.close();
  }
}

/** Makes a step of each case. */
async function steps(t: Deno.TestContext, has: Has, cases: Record<string, Case>): Promise<void> {
  for (const [name, wanted] of Object.entries(cases)) {
    await t.step(name, async () => void await run(has, wanted));
  }
}

const FILE = isGet("/data/file");
const LARGE = isGet("/data/large");
const status = (status: number, code: string, retryAfterS?: number): Fault => ({
  kind: "status",
  status,
  code,
  ...(retryAfterS === undefined ? {} : { retryAfterS }),
});

const PASSING: Record<string, Fault> = {
  "408": status(408, "RequestTimeout"),
  "429": status(429, "TooManyRequests"),
  "500": status(500, "InternalError"),
  "502 of a gateway": status(502, ""),
  "503": status(503, "SlowDown"),
  "503 with Retry-After": status(503, "SlowDown", 1),
  "a connection that is reset before the reply": { kind: "reset" },
  "a reply that is lost": { kind: "lost-reply" },
};

const BODIES: Record<string, Fault> = {
  "a body that ends early": { kind: "truncate", at: 0.6 },
  "a body that ends before its first byte": { kind: "truncate", at: 0 },
  "a body that is reset in the middle": { kind: "reset-mid", at: 0.4 },
  "a slow server": { kind: "slow", bytesPerSecond: 400_000 },
};

testWith("each passing fault alone is healed by a retry: downloads", NEEDS, async (has, t) => {
  const kind = "download";
  const cases: Record<string, Case> = {};
  for (const [name, fault] of Object.entries({ ...PASSING, ...BODIES })) {
    cases[`${name}, of an object`] = { kind, plan: faultFor(fault, { matches: FILE }) };
  }
  for (const [name, fault] of Object.entries(PASSING)) {
    cases[`${name}, of every request, three times`] = { kind, plan: faultFor(fault, { times: 3 }) };
    cases[`${name}, of a page of a listing`] = { kind, plan: faultFor(fault, { matches: isList, times: 2 }) };
  }
  for (const [name, fault] of Object.entries(BODIES)) {
    const paced = fault.kind === "slow" ? { ...fault, bytesPerSecond: 8 * MIB } : fault;
    cases[`${name}, of every stream of a large object`] = {
      kind,
      largeBytes: 40 * MIB,
      plan: faultFor(paced, { matches: LARGE, times: 3 }),
    };
  }
  for (const [what, matches] of [["an object", FILE], ["the inputs", isGet("/inputs.pb")]] as const) {
    cases[`a wrong byte on the way down, of ${what}`] = {
      kind,
      plan: faultFor({ kind: "corrupt", at: 0.5 }, { matches, times: 2 }),
    };
  }
  cases["a wrong byte on the way down, in each range of a large object"] = {
    kind,
    largeBytes: 40 * MIB,
    plan: faultFor({ kind: "corrupt", at: 0.01 }, { matches: LARGE }),
  };
  cases["a Content-Range that does not fit is not taken"] = {
    kind,
    largeBytes: 20 * MIB,
    plan: (asked) => {
      if (!LARGE(asked) || asked.nth > 3) return null;
      return asked.nth === 0 ? { kind: "truncate", at: 0.1 } : { kind: "wrong-range" };
    },
  };
  await steps(t, has, cases);
});

testWith("each passing fault alone is healed by a retry: uploads", NEEDS, async (has, t) => {
  const kind = "upload";
  const cases: Record<string, Case> = {};
  const matches = ({ target }: Asked) => target.includes("/raw/large");
  for (const [name, fault] of Object.entries(PASSING)) {
    cases[`${name}, of an object`] = {
      kind,
      plan: faultFor(fault, { matches: isPut("/raw/file"), times: 2 }),
    };
    cases[`${name}, of outputs.pb`] = {
      kind,
      plan: faultFor(fault, { matches: isPut("/out/outputs.pb"), times: 2 }),
    };
    cases[`${name}, of each request of a multipart upload`] = {
      kind,
      largeBytes: 40 * MIB,
      plan: faultFor(fault, { matches }),
    };
  }
  cases["success with an error in its body, of CompleteMultipartUpload"] = {
    kind,
    largeBytes: 40 * MIB,
    plan: faultFor({ kind: "late-error" }, { matches: isComplete, times: 2 }),
  };
  for (
    const [what, matches, largeBytes] of [["an object", isPut("/raw/file"), 0], [
      "a part",
      isPart,
      40 * MIB,
    ]] as const
  ) {
    const damaged = { kind: "corrupt-upload", at: 0.7 } as const;
    cases[`a wrong byte on the way up, of ${what}`] = {
      kind,
      largeBytes,
      plan: faultFor(damaged, { matches, times: 2 }),
    };
  }
  await steps(t, has, cases);
});

testWith("what no retry heals is told, once, and leaves nothing behind", NEEDS, async (has, t) => {
  const expired = status(403, "ExpiredToken");
  const cases: Record<string, Case> = {
    "a wrong byte in a small object": {
      kind: "download",
      plan: faultFor({ kind: "corrupt", at: 0.5 }, { matches: FILE, times: ALWAYS }),
      error:
        /InputDownloadFailed: .*variable file.*\/data\/file" after 5 attempts: its \w+ is [0-9a-f]+, the store says/,
    },
    "a wrong byte in a large object": {
      kind: "download",
      largeBytes: 40 * MIB,
      plan: faultFor({ kind: "corrupt", at: 0.01 }, { matches: LARGE, times: ALWAYS }),
      error: /variable large.*after 5 attempts.*the store says/,
    },
    "a wrong byte in the inputs": {
      kind: "download",
      plan: faultFor({ kind: "corrupt", at: 0.5 }, { matches: isGet("/inputs.pb"), times: ALWAYS }),
      error: /InputDownloadFailed: .*inputs\.pb" after 5 attempts: its \w+ is [0-9a-f]+, the store says/,
    },
    "an object that is overwritten between two ranges": {
      kind: "download",
      largeBytes: 40 * MIB,
      planFor: ({ bucket, id, random }) => (asked) =>
        LARGE(asked) && asked.nth === 0
          ? { kind: "truncate", at: 0.05 }
          : LARGE(asked) && asked.nth === 1
          ? { kind: "meanwhile", act: () => bucket.put(`${id}/data/large`, random.bytes(40 * MIB)) }
          : null,
      error: /variable large.*(changed|412)/,
      maySucceed: true,
    },
    "credentials that have run out, of an object": {
      kind: "download",
      plan: faultFor(expired, { matches: FILE, times: ALWAYS }),
      error: /variable file.*ExpiredToken.*the temporary credentials have run out/,
      atMost: 2,
    },
    "access that is denied": {
      kind: "download",
      plan: faultFor(status(403, "AccessDenied"), { matches: FILE, times: ALWAYS }),
      error: /variable file.*AccessDenied/,
      atMost: 1,
    },
    "a server that is slower than the deadline": {
      kind: "download",
      plan: faultFor({ kind: "slow", bytesPerSecond: 2000 }, { matches: FILE, times: ALWAYS }),
      deadlineMs: 3000,
      error: /InputDownloadFailed: .*not finished within 3 s/,
    },
    "an outage that outlasts the deadline": {
      kind: "download",
      plan: faultFor(status(503, "SlowDown"), { matches: FILE, times: ALWAYS }),
      deadlineMs: 8000,
      error: /variable file.*after \d+ attempts?, with no time left for another.*503/,
    },
    "a stall that outlasts the deadline": {
      kind: "download",
      plan: faultFor({ kind: "stall", at: 0.5 }, { matches: FILE, times: ALWAYS }),
      deadlineMs: 3000,
      error: /InputDownloadFailed: .*not finished within 3 s/,
    },
    "another output that fails while parts are on their way": {
      kind: "upload",
      largeBytes: 40 * MIB,
      plan: (asked) => {
        if (isPart(asked)) return { kind: "silence" };
        if (!isPut("/raw/dir/last")(asked)) return null;
        return { kind: "status", status: 403, code: "AccessDenied", delayMs: 1500 };
      },
      error: /variable dir.*dir\/last.*AccessDenied/,
    },
    "another output that fails while an upload is begun": {
      kind: "upload",
      largeBytes: 40 * MIB,
      plan: (asked) => {
        if (asked.method === "POST") return { kind: "slow", bytesPerSecond: 400 };
        if (!isPut("/raw/dir/last")(asked)) return null;
        return { kind: "status", status: 403, code: "AccessDenied", delayMs: 600 };
      },
      error: /variable dir.*dir\/last.*AccessDenied/,
    },
    "bytes that are damaged on the way up": {
      kind: "upload",
      plan: faultFor({ kind: "corrupt-upload", at: 0.5 }, { matches: isPut("/raw/file"), times: ALWAYS }),
      deadlineMs: 8000,
      error: /variable file.*after \d+ attempts?, with no time left for another.*(BadDigest|Mismatch)/,
    },
    "a part that is damaged on the way up": {
      kind: "upload",
      largeBytes: 40 * MIB,
      plan: faultFor({ kind: "corrupt-upload", at: 0.5 }, { matches: isPart, times: ALWAYS }),
      deadlineMs: 10_000,
      error:
        /variable large.*part \d.*after \d+ attempts?, with no time left for another.*(BadDigest|Mismatch)/,
    },
    "a part that fails for good": {
      kind: "upload",
      largeBytes: 40 * MIB,
      plan: faultFor(status(403, "AccessDenied"), {
        matches: (asked: Asked) => isPart(asked) && asked.target.includes("partNumber=2"),
        times: ALWAYS,
      }),
      error: /variable large.*part 2.*AccessDenied/,
    },
    "an upload that cannot be completed": {
      kind: "upload",
      largeBytes: 40 * MIB,
      plan: faultFor({ kind: "late-error" }, { matches: isComplete, times: ALWAYS }),
      deadlineMs: 15_000,
      error: /variable large.*complete.*after \d+ attempts?, with no time left for another.*InternalError/,
    },
    "an outputs.pb that cannot be written": {
      kind: "upload",
      plan: faultFor(status(403, "AccessDenied"), { matches: isPut("/out/outputs.pb"), times: ALWAYS }),
      error: /OutputUploadFailed: .*outputs\.pb.*AccessDenied/,
    },
    "a file that changes while it is uploaded": {
      kind: "upload",
      largeBytes: 70 * MIB,
      planFor: ({ directory }) =>
        faultFor({
          kind: "meanwhile",
          act: () => Deno.writeTextFile(`${directory}/large`, "more", { append: true }),
        }, { matches: isPart }),
      error: /variable large.*large": it changed while it was being read/,
    },
  };
  await steps(t, has, cases);
});

testWith("a stalled read is given up by its own bound, long before the deadline", NEEDS, async (has) => {
  const stalled = { kind: "stall", at: 0.5 } as const;
  const { outcome } = await run(has, { kind: "download", plan: faultFor(stalled, { matches: FILE }) });
  assert.match(outcome.stderr, /"retrying","error":"[^\n]*the server stopped sending/);
});
