import assert from "assert";
import {
  MAX_CODE_BYTES,
  MAX_MESSAGE_BYTES,
  parseTaskError,
  toErrorDocument,
} from "../../../src/flyte/codec/error_document.ts";
import { decode, encode } from "../../../src/flyte/codec/idl.ts";
import { ErrorKind, ErrorOrigin } from "../../../src/flyte/types.ts";
import { caseFile, caseNames, caseText } from "../../support/flyte.ts";

const encoder = new TextEncoder();

Deno.test("an error is RECOVERABLE and of SYSTEM origin where nothing else is said", () => {
  assert.deepEqual(toErrorDocument({ code: "InputDownloadFailed", message: "m" }), {
    error: {
      code: "InputDownloadFailed",
      message: "m",
      kind: ErrorKind.RECOVERABLE,
      origin: ErrorOrigin.SYSTEM,
    },
  });
  const details = { code: "C", message: "m", kind: ErrorKind.NON_RECOVERABLE, origin: ErrorOrigin.USER };
  assert.deepEqual(toErrorDocument(details), { error: details });
});

Deno.test("halves of surrogate pairs are replaced, so that the document can be written", () => {
  const document = toErrorDocument({ code: "\udc00", message: "a\ud800b" });
  assert.equal(document.error!.message, "a\ufffdb");
  assert.deepEqual(decode("ErrorDocument", encode("ErrorDocument", document)), document);
});

Deno.test("a long message is cut between characters, with a note", () => {
  const whole = "x".repeat(MAX_MESSAGE_BYTES);
  assert.equal(toErrorDocument({ code: "", message: whole }).error!.message, whole);
  const { message } = toErrorDocument({ code: "", message: "é".repeat(MAX_MESSAGE_BYTES) + "x" }).error!;
  assert.equal(message, `${"é".repeat(MAX_MESSAGE_BYTES / 2)}\n[${MAX_MESSAGE_BYTES + 1} more bytes cut]`);
  const odd = toErrorDocument({ code: "", message: `x${"é".repeat(MAX_MESSAGE_BYTES)}` }).error!.message;
  assert(!odd.includes("\ufffd"));
});

Deno.test("_ERROR is the user's text, or a structured error", async (t) => {
  const plain = { kind: ErrorKind.RECOVERABLE, origin: ErrorOrigin.USER };
  const permanent = { kind: ErrorKind.NON_RECOVERABLE, origin: ErrorOrigin.USER };
  const cases: [text: string, wanted: ReturnType<typeof parseTaskError>][] = [
    ['\ufeff{"message":"m","code":"C"}', { message: "User Error: m", code: "C", ...plain }],
    ["boom: <it> failed\n", { message: "User Error: boom: <it> failed\n", ...plain }],
    ["", { message: "User Error: ", ...plain }],
    ['{"message":"m"}', { message: "User Error: m", ...plain }],
    [' {"message": "m", "code": "BadData", "kind": "NON_RECOVERABLE"}\n', {
      message: "User Error: m",
      code: "BadData",
      ...permanent,
    }],
    ['{"message":"m","kind":"non_recoverable","origin":"system"}', {
      message: "User Error: m",
      kind: ErrorKind.NON_RECOVERABLE,
      origin: ErrorOrigin.SYSTEM,
    }],
    ['{"message":"m","origin":"UNKNOWN"}', {
      message: "User Error: m",
      ...plain,
      origin: ErrorOrigin.UNKNOWN,
    }],
    ['{"message":"m","code":"","kind":"toString","origin":7}', { message: "User Error: m", ...plain }],
    ['{"message":7}', { message: 'User Error: {"message":7}', ...plain }],
    ['{"code":"X"}', { message: 'User Error: {"code":"X"}', ...plain }],
    ['["message"]', { message: 'User Error: ["message"]', ...plain }],
    ['"text"', { message: 'User Error: "text"', ...plain }],
    ["null", { message: "User Error: null", ...plain }],
    ['{"message":"m"} and more', { message: 'User Error: {"message":"m"} and more', ...plain }],
    ["[".repeat(100_000), { message: `User Error: ${"[".repeat(100_000)}`, ...plain }],
  ];
  for (const [text, wanted] of cases) {
    await t.step(JSON.stringify(text).slice(0, 60), () => {
      assert.deepEqual(parseTaskError(encoder.encode(text)), wanted);
    });
  }
  await t.step("bytes that are not UTF-8 are replaced", () => {
    const { message } = parseTaskError(Uint8Array.of(0x63, 0x61, 0x66, 0xe9, 0x20, 0x78));
    assert.equal(message, "User Error: caf\ufffd x");
  });
});

Deno.test("recorded _ERROR files are reported as recorded", async (t) => {
  for (const name of caseNames("upload-error-file")) {
    const file = caseFile(name, "local/_ERROR");
    if (file === undefined) continue;
    await t.step(name, () => {
      const [wanted] = JSON.parse(caseText(name, "expect/remote.json")!);
      const { message, kind } = parseTaskError(file);
      assert.equal(kind, ErrorKind.RECOVERABLE);
      if (wanted.json.error.message !== undefined) assert.equal(message, wanted.json.error.message);
      for (const part of wanted.contains) assert(message.includes(part), part);
    });
  }
});

Deno.test("a code is bounded, between characters", () => {
  for (const code of ["C".repeat(900_000), "ä".repeat(900_000), "x" + "😀".repeat(1000)]) {
    const { error } = toErrorDocument({ code, message: "m" });
    const bytes = new TextEncoder().encode(error!.code);
    assert(bytes.length <= MAX_CODE_BYTES && bytes.length > MAX_CODE_BYTES - 4, String(bytes.length));
    assert(code.startsWith(error!.code));
    assert.equal(error!.message, "m");
  }
});
