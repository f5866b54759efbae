import assert from "assert";
import { about, cannot, codeOfStatus, CopilotError, type ErrorCode, explain, from } from "../src/errors.ts";

Deno.test("errors: exactly throttled, unavailable, network and timeout are worth another try", () => {
  const codes: Record<ErrorCode, boolean> = {
    "usage": false,
    "config": false,
    "not-found": false,
    "denied": false,
    "changed": false,
    "throttled": true,
    "unavailable": true,
    "network": true,
    "timeout": true,
    "deadline": false,
    "aborted": false,
    "integrity": false,
    "input": false,
    "output": false,
    "path": false,
    "disk-full": false,
    "io": false,
    "unsupported": false,
    "task": false,
    "internal": false,
  };
  for (const [code, retryable] of Object.entries(codes)) {
    assert.equal(new CopilotError(code as ErrorCode, "Cannot").retryable, retryable, code);
  }
});

Deno.test("errors: what an HTTP status stands for", () => {
  const table: [status: number, code: ErrorCode][] = [
    [301, "config"],
    [400, "config"],
    [401, "denied"],
    [403, "denied"],
    [404, "not-found"],
    [408, "unavailable"],
    [409, "config"],
    [410, "not-found"],
    [412, "changed"],
    [416, "config"],
    [429, "throttled"],
    [500, "unavailable"],
    [501, "unsupported"],
    [505, "unsupported"],
    [507, "disk-full"],
    [502, "unavailable"],
    [503, "throttled"],
    [504, "unavailable"],
    [599, "unavailable"],
  ];
  for (const [status, code] of table) assert.equal(codeOfStatus(status), code, String(status));
});

/** An error as a runtime or an SDK throws it. */
function foreign(name: string, code?: unknown): Error {
  return Object.assign(new Error("what it says"), { name }, code === undefined ? {} : { code });
}

Deno.test("errors.from: foreign errors are known by name and by code", () => {
  const table: [thrown: Error, code: ErrorCode][] = [
    [new Deno.errors.NotFound("what it says"), "not-found"],
    [new Deno.errors.PermissionDenied("what it says"), "denied"],
    [new Deno.errors.ConnectionRefused("what it says"), "network"],
    [new Deno.errors.ConnectionReset("what it says"), "network"],
    [new Deno.errors.BrokenPipe("what it says"), "network"],
    [new Deno.errors.UnexpectedEof("what it says"), "network"],
    [new Deno.errors.TimedOut("what it says"), "timeout"],
    [new DOMException("what it says", "AbortError"), "aborted"],
    [new DOMException("what it says", "TimeoutError"), "timeout"],
    [foreign("Error", "ENOSPC"), "disk-full"],
    [foreign("Error", "EDQUOT"), "disk-full"],
    [foreign("Error", "EROFS"), "denied"],
    [foreign("Error", "ECONNRESET"), "network"],
    [foreign("Error", "EAI_AGAIN"), "network"],
    [foreign("Error", "EUNHEARDOF"), "internal"],
    [foreign("Error", 404), "internal"],
    [new TypeError("what it says"), "internal"],
  ];
  for (const [thrown, code] of table) {
    const error = from(thrown, { action: "do", object: "x" });
    const what = `${thrown.name} ${(thrown as { code?: unknown }).code}`;
    assert.equal(error.code, code, what);
    assert.equal(error.message, 'Cannot do "x": what it says', what);
    assert.equal(error.object, "x");
    assert.equal(error.cause, thrown);
  }
});

Deno.test("errors.from: a full device as Deno reports it", () => {
  const device = Deno.openSync("/dev/full", { write: true });
  try {
    assert.throws(
      () => device.writeSync(new Uint8Array(1)),
      (thrown) => from(thrown, { action: "write" }).code === "disk-full",
    );
  } finally {
    device.close();
  }
});

Deno.test("errors.from: the fallback is for what says nothing, and our own errors pass through", () => {
  assert.equal(from(new TypeError("x"), { fallback: "io" }).code, "io");
  assert.equal(from("text", { action: "read" }).message, "Cannot read: text");
  assert.equal(from(undefined, { fallback: "input" }).code, "input");
  const own = new CopilotError("denied", "Cannot read");
  assert.equal(from(own, { action: "do more", fallback: "io" }), own);
});

Deno.test("errors.explain: messages from the outside in, each once, at most five", () => {
  const inner = new Error("no route");
  const middle = new CopilotError("network", { action: "connect", detail: "no route", cause: inner });
  const outer = new CopilotError("network", { detail: "Cannot read", cause: middle });
  assert.equal(explain(outer), "Cannot read: Cannot connect: no route");
  assert.equal(explain("text"), "text");
  const loop = new Error("again");
  loop.cause = loop;
  assert.equal(explain(loop), "again");
  const chain = Array.from({ length: 9 }).reduce<Error>(
    (cause, _, i) => new Error(`level ${i}`, { cause }),
    inner,
  );
  assert.equal(explain(chain), "level 8: level 7: level 6: level 5: level 4");
});

Deno.test("errors: what happened is put into words in one way", () => {
  const { message, object, code } = cannot("read", "s3://b/k", { changed: "it is another version now" });
  assert.deepEqual([message, object, code], [
    'Cannot read "s3://b/k": it is another version now',
    "s3://b/k",
    "changed",
  ]);
  assert.equal(cannot("run", { internal: "no idea" }).message, "Cannot run: no idea");
  assert.equal(new CopilotError("aborted", "Ended by a signal").message, "Ended by a signal");
  const all = new CopilotError("denied", {
    subject: "download variable x",
    action: "get credentials for",
    object: 'a"\n',
    via: "from the instance",
    attempts: { count: 1, outOf: "time" },
    detail: "no answer",
  });
  assert.equal(
    all.message,
    'Cannot download variable x: Cannot get credentials for "a\\"\\n" from the instance after 1 attempt, ' +
      "with no time left for another: no answer",
  );
});

Deno.test("errors.within: the object is not repeated, everything else is kept", () => {
  const cause = new Error("below");
  const error = new CopilotError("throttled", {
    action: "list",
    object: "s3://b/k",
    detail: "status 503",
    status: 503,
    retryAfterMs: 7,
    cause,
  });
  const tried = error.within({
    action: "read",
    object: "s3://b/k",
    attempts: { count: 3, outOf: "retries" },
  });
  assert.equal(
    tried.message,
    'Cannot read "s3://b/k" after 3 attempts, with no retries left for the run: status 503',
  );
  assert.deepEqual([tried.code, tried.status, tried.retryAfterMs, tried.cause], ["throttled", 503, 7, cause]);
  assert.equal(
    error.within({ action: "read", object: "s3://b/other" }).message,
    'Cannot read "s3://b/other": Cannot list "s3://b/k": status 503',
  );
  const between = { action: "get a token for", object: "s3://b/k", via: "from the role" };
  assert.equal(
    error.within(between).message,
    'Cannot get a token for "s3://b/k" from the role: Cannot list "s3://b/k": status 503',
  );
  assert.equal(error.within(between).within(between).message, error.within(between).message);
});

Deno.test("errors.about: the subject is named once, and a cancelled wait has none", () => {
  const error = about(cannot("read", "s3://b/k", { denied: "status 403" }), "download variable x");
  assert.equal(error.message, 'Cannot download variable x: Cannot read "s3://b/k": status 403');
  assert.equal(about(error, "download variable y"), error);
  assert.equal(
    about(new Error("odd"), "download variable x").message,
    "Cannot download variable x: odd",
  );
  const cancelled = new CopilotError("aborted", "Cancelled");
  assert.equal(about(cancelled, "download variable x"), cancelled);
});

Deno.test("errors: a right that the run has not asked for is told without the runtime's advice", () => {
  const says = (right: string, place: string) =>
    new Deno.errors.NotCapable(
      `Requires ${right} access to "${place}", specify the required permissions during compilation using \`--allow-${right}\``,
    );
  const net = from(says("net", "h:1"), { action: "connect to", object: "h:1" });
  assert.deepEqual([net.code, net.message], [
    "internal",
    'Cannot connect to "h:1": the run needs net access to "h:1" and has not asked for it, which is a fault of copilot\'s own',
  ]);
  const read = from(says("read", "/a"), { action: "read", object: "/l" });
  assert.deepEqual([read.code, read.message], [
    "denied",
    'Cannot read "/l": the run may not have read access to "/a"',
  ]);
});
