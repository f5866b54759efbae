/**
 * Everything that reads or writes a stranger's text, on long texts of their worst characters. Run as a program by
 * tests/fuzz/growth_test.ts, within a bound on the processor's time: says what it is about to do, and does it.
 * @module
 */
import { parse } from "../../src/cli/mod.ts";
import { parseTaskError, toErrorDocument } from "../../src/flyte/codec/error_document.ts";
import { encode, encodeLiteralMap } from "../../src/flyte/codec/idl.ts";
import { guessKind, render } from "../../src/flyte/inspect/mod.ts";
import { decodedKey, KeyTree, relativePathOfKey } from "../../src/flyte/plan/keys.ts";
import { basenameOfUri, keyPlace, nameFault, quoted } from "../../src/flyte/plan/names.ts";
import { inputsJson, inputsYaml } from "../../src/flyte/text/documents.ts";
import { parseDurationMs } from "../../src/flyte/text/durations.ts";
import { jsonText, parseStruct } from "../../src/flyte/text/go_json.ts";
import { parseFloat64, parseInteger } from "../../src/flyte/text/go_number.ts";
import { parseDuration, parseTimestamp } from "../../src/flyte/text/go_time.ts";
import { parseScalar } from "../../src/flyte/text/text.ts";
import { yamlText } from "../../src/flyte/text/yaml_text.ts";
import { SimpleType } from "../../src/flyte/types.ts";
import { contentRange, headEnd, parseHead, retryAfterMs } from "../../src/http/head.ts";
import { parseHttpUrl } from "../../src/http/origin.ts";
import { proxyFor } from "../../src/http/proxy.ts";
import { hostPermission } from "../../src/storage/host_name.ts";
import { parseErrorXml as azureError, parseList } from "../../src/storage/backends/azure/reply.ts";
import { parseError as gcsError } from "../../src/storage/backends/gcs/reply.ts";
import { redisError } from "../../src/storage/backends/redis/faults.ts";
import { parseProfiles } from "../../src/storage/backends/s3/identity/profile.ts";
import { parseErrorXml as s3Error } from "../../src/storage/backends/s3/reply.ts";
import { readXml } from "../../src/storage/cloud/xml.ts";
import { parseUri } from "../../src/storage/uri.ts";
import { shownUri } from "../../src/text/shown_uri.ts";
import { createMasker, printable } from "../../src/system/log.ts";
import { isPrivateReader, membershipOf, parseCgroup } from "../../src/watch/proc/cgroup.ts";
import { containerNameOf, hidepidOf, parseMountinfo } from "../../src/watch/proc/mountinfo.ts";
import { parseStat } from "../../src/watch/proc/stat.ts";
import { literalMap, text as textLiteral } from "./plans.ts";
import { bytesOf } from "../../src/flyte/text/text_bytes.ts";

const encoder = new TextEncoder();
const mask = createMasker(["secret", "aaaaaaaa", "  x  ", "a.b*c"]);
const map = (key: string, value: string) => literalMap({ [key]: textLiteral(value) });
const origin = parseHttpUrl("http://host/", "it").origin;

/** By name; a text that is refused is as good as one that is taken. */
export const TARGETS: Readonly<Record<string, (text: string) => unknown>> = {
  "YAML: a value": (text) => yamlText(text),
  "YAML: a key": (text) => yamlText(new Map([[text, text]])),
  "JSON: a value": (text) => jsonText(text),
  "inputs.json": (text) => bytesOf(inputsJson(map("a", text))),
  "inputs.yaml": (text) => bytesOf(inputsYaml(map("a", text))),
  "a variable's name": (text) => [nameFault(text), quoted(text), keyPlace("a", text)],
  "a scalar's file": (text) => {
    for (const simple of Object.values(SimpleType)) attempt(() => parseScalar(simple, encoder.encode(text)));
  },
  "a number": (text) => [parseInteger(text), parseFloat64(text), parseFloat64(`0x${text}`)],
  "a time": (text) => [parseTimestamp(text), parseDuration(text), parseDurationMs(text)],
  "a Struct": (text) => [attempt(() => parseStruct(text)), parseStruct(`{"a":"${text}`)],
  "_ERROR": (text) => [
    parseTaskError(encoder.encode(text)),
    encode(
      "ErrorDocument",
      toErrorDocument({
        code: text,
        ...parseTaskError(encoder.encode(JSON.stringify({ message: text, code: text }))),
      }),
    ),
  ],
  "inspect: what it is": (text) => guessKind("x", encoder.encode(text)),
  "inspect: YAML": (text) => render(encodeLiteralMap(map("a", text)), "literals", "yaml"),
  "inspect: JSON": (text) => render(encodeLiteralMap(map("a", text)), "literals", "json"),
  "inspect: table": (text) => render(encodeLiteralMap(map("a", text)), "literals", "table"),
  "a URI": (text) => {
    for (const start of ["", "http://", "s3://b/", "http://user:", "http://h/?", "abfs://c@"]) {
      shownUri(start + text);
      basenameOfUri(start + text);
      attempt(() => parseUri(start + text, "it"));
      // A head, and so a redirect, has at most 64 KiB.
      attempt(() => parseHttpUrl(start + text.slice(0, 64 * 1024), "it"));
    }
  },
  "a host": (text) => hostPermission(text, 1),
  "a key": (text) => {
    decodedKey(text);
    const place = relativePathOfKey("p", { key: `p/${text}`, size: 1 });
    if (place !== null) new KeyTree({ sorted: false }).add(place);
  },
  "a log line": (text) => [mask(text), printable(text)],
  "an HTTP head": (text) => {
    const bytes = encoder.encode(`HTTP/1.1 200 ${text}\r\nA: ${text}\r\n${text}: b\r\n\r\n`);
    attempt(() => headEnd(bytes, 0, 0, bytes.length));
    attempt(() => parseHead(bytes));
    retryAfterMs(text, 0);
    contentRange(text);
    proxyFor({ no_proxy: text, http_proxy: "http://p" }, origin);
  },
  "XML": (text) => {
    for (const xml of [text, `<?xml${text}`, `<a>${text}</a>`, `<Error><Code>${text}</Code></Error>`]) {
      attempt(() => readXml(xml, () => {}));
      attempt(() => s3Error(xml));
      attempt(() => azureError(xml));
      attempt(() => parseList(`<Blobs><Blob>${xml}</Properties></Blob></Blobs></EnumerationResults>`, "it"));
    }
  },
  "a store's error": (
    text,
  ) => [gcsError(text), redisError({ code: "ERR", message: text }, { action: "read", object: "it" })],
  "/proc": (text) => {
    parseCgroup(text);
    isPrivateReader(text);
    membershipOf(`0::/${text}`, { isPrivate: false });
    const mounts = parseMountinfo(text);
    containerNameOf(mounts);
    hidepidOf(mounts);
    attempt(() => parseStat(`1 (${text}`));
  },
  "a profile": (text) => parseProfiles(`[a]\nkey = ${text}\n[${text}]\n${text}`, "config"),
  "a flag": (text) => parse(["sidecar", `--interface=${text}`, `--storage.stow.config=${text}`]),
};

/** Characters that are blank, end lines, open and close, escape, or count as several kinds at once. */
const UNITS = [
  "\n",
  " ",
  "\t",
  "\r\n",
  "a",
  "0",
  "1_",
  ".",
  "-",
  "/",
  "%41",
  "%",
  "\\",
  '"',
  '\\"',
  "'",
  "`",
  ":",
  "a:",
  ": ",
  " #",
  "?",
  "#",
  "@",
  ":@",
  "://",
  "=",
  "==",
  "<",
  "<Name ",
  "<Code ",
  "<a>",
  "&",
  "&#1;",
  "[",
  "]",
  "{",
  "}",
  '{"a":',
  "(",
  ",",
  "a,",
  "*",
  "\0",
  "\x1b",
  "\u2028",
  "\u202e",
  "é",
  "\ud800",
  "😀",
  "1h",
  "e1",
  "aaaaaaaaaa.",
  "AAAA",
  "AAA=",
  "\n\n x",
  "- ",
  "a\n",
  "a \n",
];

/** What may come after a long run, and make everything before it wrong. */
const ENDS = ["", "x", "!", "\n", " x", '"'];

function attempt(work: () => unknown): void {
  try {
    work();
  } catch { /* refused */ }
}

if (import.meta.main) {
  const [name, length] = [Deno.args[0]!, Number(Deno.args[1])];
  const target = TARGETS[name]!;
  for (const unit of UNITS) {
    for (const end of ENDS) {
      Deno.stdout.writeSync(encoder.encode(`${JSON.stringify(unit)} and ${JSON.stringify(end)}\n`));
      attempt(() => target(unit.repeat(Math.ceil(length / unit.length)) + end));
    }
  }
  Deno.stdout.writeSync(encoder.encode("done\n"));
}
