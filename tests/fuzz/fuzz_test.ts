/**
 * Hostile bytes and texts for everything that reads them: an answer or a CopilotError, never another error, never a path
 * outside.
 * @module
 */
import assert from "assert";
import { posix } from "node:path";
import { readEntries } from "../../src/cli/config_yaml.ts";
import { inputsJson, inputsYaml } from "../../src/flyte/text/documents.ts";
import { parseTaskError, toErrorDocument } from "../../src/flyte/codec/error_document.ts";
import {
  decodeLiteral,
  decodeLiteralMap,
  decodeTypedInterface,
  encode,
  encodeLiteralMap,
} from "../../src/flyte/codec/idl.ts";
import { KeyTree, relativePathOfKey } from "../../src/flyte/plan/keys.ts";
import { planDownload } from "../../src/flyte/plan/plan_download.ts";
import { planUpload } from "../../src/flyte/plan/plan_upload.ts";
import { pageOf, parseError } from "../../src/storage/backends/gcs/reply.ts";
import { parseErrorXml } from "../../src/storage/backends/s3/reply.ts";
import { readXml } from "../../src/storage/cloud/xml.ts";
import { framing, parseHead } from "../../src/http/head.ts";
import { parseUri } from "../../src/storage/uri.ts";
import { isPrivateReader, membershipOf, parseCgroup } from "../../src/watch/proc/cgroup.ts";
import {
  containerNameOf,
  hidepidOf,
  mountOf,
  parseMountinfo,
  podUidOf,
} from "../../src/watch/proc/mountinfo.ts";
import { parseStat } from "../../src/watch/proc/stat.ts";
import type { Random } from "../faults/random.ts";
import { caseFile, caseInputs, caseNames } from "../support/flyte.ts";
import { type Directory, literalMap, MemoryTree, text } from "../support/plans.ts";
import { mutateBytes, mutateText, NASTY_TEXTS } from "./mutate.ts";
import { fuzz } from "./target.ts";
import { bytesOf } from "../../src/flyte/text/text_bytes.ts";
import { CopilotError, explain } from "../../src/errors.ts";
import { parse } from "yaml";
import { assertUri } from "../../src/flyte/plan/names.ts";
import { jsonText } from "../../src/flyte/text/go_json.ts";
import { yamlText } from "../../src/flyte/text/yaml_text.ts";
import { parseHttpUrl } from "../../src/http/origin.ts";
import { shownUri } from "../../src/text/shown_uri.ts";

const ROOT = "/run/inputs";

/** Whether a path is below the root whatever the file system makes of it. */
function assertBelow(path: string): void {
  assert(
    path.startsWith(`${ROOT}/`) && posix.normalize(path) === path.replace(/\/$/, ""),
    JSON.stringify(path),
  );
  assert(!path.includes("\0") && !path.split("/").includes(".."), JSON.stringify(path));
}

function plan(map: ReturnType<typeof decodeLiteralMap>, random: Random): void {
  const options = {
    root: ROOT,
    layout: random.pick(["DIRECT", "NAMED_DIR"] as const),
    mode: random.pick(["DOWNLOAD_EAGER", "DO_NOT_DOWNLOAD"] as const),
    reserved: ["inputs.pb", "inputs.json", ".copilot-tmp"],
  };
  const { actions: steps, count, local } = planDownload(map, options);
  const actions = [...steps];
  assert.equal(actions.length, count);
  for (const { path } of actions) assertBelow(path);
  assert.equal(new Set(actions.map(({ path }) => path)).size, actions.length, "no path twice");
  encodeLiteralMap(local);
  bytesOf(random.chance(0.5) ? inputsJson(local) : inputsYaml(local));
}

const MAPS = caseInputs().map(({ bytes }) => bytes);
const base64 = (bytes: Uint8Array) => Uint8Array.fromBase64(new TextDecoder().decode(bytes).trim());
const INTERFACES = caseNames("upload-").flatMap((name) => {
  const bytes = caseFile(name, "interface.b64");
  return bytes === undefined || name === "upload-bad-interface" ? [] : [base64(bytes)];
});

fuzz("a LiteralMap's bytes, planned and written as documents", (random) => {
  const bytes = mutateBytes(random, MAPS);
  const map = decodeLiteralMap(bytes);
  decodeLiteralMap(encodeLiteralMap(map));
  plan(map, random);
});

fuzz("a literal's bytes", (random) => decodeLiteral(mutateBytes(random, MAPS)));

fuzz("an interface's bytes, planned against a directory", (random) => {
  const typed = decodeTypedInterface(mutateBytes(random, INTERFACES));
  const directory: Directory = Object.create(null);
  for (const { key } of typed.outputs?.variables ?? []) {
    directory[key] = random.chance(0.4)
      ? { "0": "1", a: random.pick(NASTY_TEXTS) }
      : random.pick(["1", "", "x", ...NASTY_TEXTS]);
  }
  const options = { rawPrefix: "s3://b/raw", mode: "UPLOAD_ON_EXIT" } as const;
  const { outputs, uploads } = planUpload(typed, new MemoryTree(directory), options);
  for (const { uri, path } of uploads) {
    assert(uri.startsWith("s3://b/raw/"), uri);
    assert(!path.startsWith("/") && !path.split("/").includes(".."), path);
  }
  encodeLiteralMap(outputs);
});

fuzz("names of variables", (random) => {
  const names = Array.from(
    { length: 1 + random.below(4) },
    () => mutateText(random, ["a", "b/c", "file.txt", ".."]),
  );
  plan(literalMap(Object.fromEntries(names.map((name) => [name, text("x")]))), random);
});

fuzz("keys of a listing", (random) => {
  const prefix = random.pick(["p", "p/", "", "a b"]);
  const tree = new KeyTree({ sorted: random.chance(0.5) });
  for (let count = 0; count < 6; count++) {
    const key = `${prefix}/${mutateText(random, ["a", "a/b", "a/", "x/../y"])}`;
    const place = relativePathOfKey(prefix, { key, size: random.below(2) });
    if (place === null) continue;
    if (place.path !== "") assertBelow(`${ROOT}/${place.path}`);
    for (const directory of tree.add(place)) assertBelow(`${ROOT}/${directory}`);
  }
});

fuzz("URIs", (random) => {
  const uri = parseUri(
    mutateText(random, ["s3://b/k", "http://h:1/p?q", "file:///a", "/a/b", "abfs://c@h/k", "gs://b/"]),
    "x",
  );
  assert.equal(typeof uri.key, "string");
});

const XML = [
  "<?xml version='1.0'?><ListBucketResult><Contents><Key>a%20b</Key><Size>3</Size></Contents></ListBucketResult>",
  "<Error><Code>SlowDown</Code><Message>a &amp; b</Message></Error>",
  "<a><b><c>1</c></b><![CDATA[x]]><!-- y --></a>",
];

fuzz("XML", (random) => {
  const xml = mutateText(random, XML);
  const { code, message } = parseErrorXml(xml);
  assert(typeof code === "string" && typeof message === "string");
  try {
    readXml(xml, () => {});
  } catch (thrown) {
    assert.match((thrown as Error).message, /XML/, (thrown as Error).stack);
  }
});

const JSONS = [
  '{"items":[{"name":"p/a","size":"3","generation":"1","crc32c":"AAAAAA=="}],"nextPageToken":"x"}',
  '{"error":{"code":403,"message":"m","errors":[{"reason":"forbidden"}]}}',
];

fuzz("JSON of listings and errors", (random) => {
  const text = mutateText(random, JSONS);
  parseError(text);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return;
  }
  const page = pageOf(json, { prefix: "p/", object: "gs://b/p/" });
  for (const { key, size } of page.objects) assert(key.startsWith("p/") && size >= 0);
});

const YAML = [
  "storage:\n  type: stow\n  stow:\n    kind: s3\n    config:\n      region: r\n      secret_key: 'x'\n",
  "logger: {level: 4}\n---\nb: [1, 2]\n",
  "storage: &a {type: mem}\nother: *a\n",
];

fuzz("configuration YAML", async (random) => {
  await readEntries([{ name: "c.yaml", text: mutateText(random, YAML) }]);
});

const data = (name: string) => Deno.readTextFileSync(new URL(`../data/proc/${name}`, import.meta.url));
const PROC = ["cgroup.txt", "mountinfo_main.txt", "stat.txt"].map(data);

fuzz("texts of /proc", (random) => {
  const text = mutateText(random, [...PROC, ...PROC.flatMap((all) => all.split("\n"))]);
  parseCgroup(text);
  membershipOf(text, { isPrivate: isPrivateReader(text) });
  const mounts = parseMountinfo(text);
  mountOf(mounts, "/var/outputs");
  containerNameOf(mounts);
  podUidOf(mounts);
  hidepidOf(mounts);
  parseStat(text);
});

const ERRORS = ["failed", '{"message":"m","code":"c","kind":"NON_RECOVERABLE","origin":"USER"}', "\xff", ""];

fuzz("_ERROR files", (random) => {
  const bytes = mutateBytes(random, ERRORS.map((text) => Uint8Array.from(text, (c) => c.charCodeAt(0))));
  const details = parseTaskError(bytes);
  encode("ErrorDocument", toErrorDocument({ code: "c", ...details }));
});

const HEADS = [
  'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nETag: "a"\r\n\r\n',
  "HTTP/1.0 206 Partial\r\nTransfer-Encoding: chunked\r\nContent-Range: bytes 0-1/2\r\n\r\n",
].map((text) => new TextEncoder().encode(text));

fuzz("heads of replies", (random) => {
  const head = parseHead(mutateBytes(random, HEADS));
  const frame = framing("GET", head);
  if (frame.kind === "length") assert(Number.isSafeInteger(frame.length) && frame.length >= 0);
});

const SCHEMES = [
  "http",
  "https",
  "HTTP",
  "s3",
  "gs",
  "abfs",
  "abfss",
  "redis",
  "rediss",
  "mem",
  "ftp",
  "file",
  "x-y",
];
const HOSTS = [
  "h",
  "127.0.0.1",
  "[::1]",
  "a..b",
  "bucket",
  "account.dfs.core.windows.net",
  "",
  "ä",
  "h:80",
  "h:99999",
  "h:x",
];

fuzz("addresses with a password and a signature, as messages show them", (random) => {
  const password = `Hunter2${random.pick(["", "/", "?", "#", "%41", ":", "@", "\\\\", " "])}Password`;
  const user = random.pick(["user", "", "a b", "us%65r"]);
  const start = random.pick(["://", "://", "://", ":/", ":", "://///"]);
  const path = random.pick(["", "/", "/k", "/a/b@c", "/a:b", `/${"k".repeat(random.below(3000))}`]);
  const behind = random.pick([
    "",
    "?sig=Signature0001",
    "#Signature0001",
    "?a=b&X=Signature0001#Signature0001",
  ]);
  const uri = `${random.pick(SCHEMES)}${start}${user}:${password}@${random.pick(HOSTS)}${path}${behind}`;
  const told = [
    shownUri(uri),
    shownUri(shownUri(uri)),
    new CopilotError("input", { object: uri, detail: "x" }).message,
  ];
  for (
    const work of [
      () => parseUri(uri, "it"),
      () => parseHttpUrl(uri, "it"),
      () => assertUri(uri, { action: "use", variable: "v" }),
    ]
  ) {
    try {
      work();
    } catch (thrown) {
      told.push(explain(thrown));
    }
  }
  for (const text of told) {
    assert(
      !text.includes("Password") && !text.includes("Signature0001"),
      `${JSON.stringify(uri)} is shown as ${text}`,
    );
    assert(text.length < 2000, `${text.length} characters`);
  }
});

fuzz("texts and keys as YAML and JSON, read back", (random) => {
  const long = mutateText(random, NASTY_TEXTS).repeat(1 + random.below(300)).toWellFormed();
  const value = new Map([[mutateText(random, NASTY_TEXTS).toWellFormed(), long], ["k", long]]);
  const plain = Object.fromEntries(value);
  assert.deepEqual(JSON.parse(jsonText(value)), { ...plain });
  for (const version of ["1.1", "1.2"] as const) {
    assert.deepEqual(parse(yamlText(value), { version, uniqueKeys: false }), { ...plain });
  }
});
