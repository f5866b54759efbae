import assert from "assert";
import { type ConsoleLog, createLog, createMasker, type LogOptions } from "../../src/system/log.ts";
import type { Clock } from "../../src/system/mod.ts";

const clock = { nowMs: () => Date.UTC(2024, 1, 29, 12, 30, 45, 678) } as Clock;

/** A log, and what it has written. */
function logOf(options: Partial<LogOptions>): { log: ConsoleLog; written: () => string } {
  let text = "";
  const log = createLog({ level: 5, format: "json", clock, write: (more) => text += more, ...options });
  return { log, written: () => text };
}

Deno.test("JSON: one line per event: ts, level, msg, then the fields", () => {
  const { log, written } = logOf({});
  log.info("done", {
    files: 3,
    ok: true,
    name: "a\nb",
    gone: undefined,
    rate: Infinity,
    level: "own",
    ts: 1,
    msg: "m",
  });
  assert.equal(
    written(),
    '{"ts":"2024-02-29T12:30:45.678Z","level":"info","msg":"done","files":3,"ok":true,"name":"a\\nb",' +
      '"rate":"Infinity","fields.level":"own","fields.ts":1,"fields.msg":"m"}\n',
  );
});

Deno.test("text: time, level, message, key=value, quoted where needed", () => {
  const { log, written } = logOf({ format: "text" });
  log.warning("slow", { uri: "s3://b/k", what: "a b", empty: "", n: 1, gone: undefined, q: 'x"y' });
  assert.equal(written(), '12:30:45 warning slow uri=s3://b/k what="a b" empty="" n=1 q="x\\"y"\n');
});

Deno.test("levels: as logrus counts", () => {
  const lines: Record<number, string[]> = {
    0: [],
    1: [],
    2: ["error"],
    3: ["error", "warning", "summary"],
    4: ["error", "warning", "info", "summary"],
    5: ["error", "warning", "info", "debug", "summary"],
    6: ["error", "warning", "info", "debug", "summary"],
  };
  for (const [level, wanted] of Object.entries(lines)) {
    const { log, written } = logOf({ level: Number(level) });
    for (const name of ["error", "warning", "info", "debug", "summary"] as const) log[name](name);
    assert.deepEqual(
      written().split("\n").filter(Boolean).map((line) => JSON.parse(line).msg),
      wanted,
      level,
    );
  }
});

Deno.test("auto: warnings as JSON, on a terminal also information as text", () => {
  const pipe = logOf({ level: "auto", format: "auto" });
  pipe.log.info("quiet");
  pipe.log.warning("heard");
  assert.equal(JSON.parse(pipe.written()).msg, "heard");
  const terminal = logOf({ level: "auto", format: "auto", isTerminal: true });
  terminal.log.info("heard");
  assert.equal(terminal.written(), "12:30:45 info    heard\n");
});

Deno.test("progress: replaced in place on a terminal, nothing elsewhere", () => {
  const { log, written } = logOf({ isTerminal: true, format: "text" });
  log.progress("");
  log.progress("1 %");
  log.progress("2 %");
  log.info("event");
  log.info("event");
  log.progress("3 %");
  log.progress("");
  const clear = "\r\x1b[K";
  const event = "12:30:45 info    event\n";
  assert.equal(written(), `${clear}1 %${clear}2 %${clear}${event}${event}${clear}3 %${clear}`);
  const pipe = logOf({});
  pipe.log.progress("1 %");
  assert.equal(pipe.written(), "");
  const mute = logOf({ isTerminal: true, level: 0 });
  mute.log.progress("1 %");
  assert.equal(mute.written(), "");
});

Deno.test("hostile text: no control character reaches the terminal, every event stays one line", () => {
  const hostile = "a\x1b[2Jb\nc\x7f\x9b\u2028\u202e\r\x00";
  for (const format of ["json", "text"] as const) {
    const { log, written } = logOf({ format, isTerminal: true });
    log.info(hostile, { file: hostile });
    log.info("x", { bare: "a\x1b[2J" });
    assert.equal(written().split("\n").length, 3, format);
    // deno-lint-ignore no-control-regex -- they are what is looked for
    assert(!/[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]/.test(written()), format);
  }
  const { log, written } = logOf({ isTerminal: true });
  log.progress("x\ny\x1b[2J");
  assert.equal(written(), "\r\x1b[Kx\\ny\\u001b[2J");
});

Deno.test("secrets: masked in message, field, key file, JSON and URL form; short ones left alone", () => {
  const key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhki\nG9w0BAQEFAASCBKcwgg\n-----END";
  const secrets = ["topsecret", "top", 'qu"ote\\', "topsecret2", "a/b+c==", key];
  for (const format of ["json", "text"] as const) {
    const { log, written } = logOf({ format, secrets, isTerminal: true });
    log.error('topsecret topsecret2 qu"ote\\ top', {
      url: "https://h/?s=a%2Fb%2Bc%3D%3D",
      key,
      raw: "a/b+c==",
    });
    log.progress("topsecret");
    log.info(`MIIEvQIBADANBgkqhki`, { mark: 'in qu"ote\\ text' });
    for (const shown of ["topsecret", "ote", "%2Fb", "b+c", "MIIE", "G9w0"]) {
      assert(!written().includes(shown), `${format}: ${shown} in ${written()}`);
    }
    assert(/\*\*\* \*\*\* \*\*\* top\b/.test(written()), written());
  }
});

Deno.test("masker: longer secrets first, regular expression characters are plain, none is the identity", () => {
  assert.equal(createMasker(["abcd", "abcdef"])("abcdef abcd abc"), "*** *** abc");
  assert.equal(createMasker(["a.*$^(x)[y]"])("a.*$^(x)[y] aXX"), "*** aXX");
  assert.equal(createMasker([])("abcd"), "abcd");
  assert.equal(createMasker(["abc", ""])("abc"), "abc");
  assert.equal(createMasker(["\ud800abc"])("x\ud800abcx"), "x***x");
});

Deno.test("a field is a URI as messages show it, and never longer than 16 KiB", () => {
  const { log, written } = logOf({});
  log.error("x", {
    uri: "http://user:hunter2@h/x?sig=hunter3",
    other: "see http://u:hunter4@h/y",
    long: "C".repeat(1e6),
  });
  const event = JSON.parse(written());
  assert.deepEqual([event.uri, event.other], ["http://h/x?***", "see http://***@h/y"]);
  assert.equal(event.long.length, 16384 + "… [983616 more]".length);
});
