import assert from "assert";
import { CopilotError } from "../../src/errors.ts";
import { formatUri, joinKey, parseUri } from "../../src/storage/uri.ts";

/** Text, scheme, container, host, key; and the text of the parts where it is another. */
const URIS: [
  text: string,
  scheme: string,
  container: string,
  host: string,
  key: string,
  formatted?: string,
][] = [
  ["s3://b/k", "s3", "b", "", "k"],
  ["s3://b/a%20b#1?x", "s3", "b", "", "a%20b#1?x"],
  ["s3://b/a b/ü", "s3", "b", "", "a b/ü"],
  ["s3://b//k", "s3", "b", "", "/k"],
  ["s3://b/k/", "s3", "b", "", "k/"],
  ["s3://b/../k", "s3", "b", "", "../k"],
  ["s3://b/", "s3", "b", "", ""],
  ["s3://b", "s3", "b", "", "", "s3://b/"],
  ["S3://B/K", "s3", "B", "", "K", "s3://B/K"],
  ["gs://b/k@v", "gs", "b", "", "k@v"],
  ["abfs://c@account.dfs.core.windows.net/k", "abfs", "c", "account.dfs.core.windows.net", "k"],
  ["wasbs://c@account.blob.core.windows.net/k", "wasbs", "c", "account.blob.core.windows.net", "k"],
  ["az://c/k", "az", "c", "", "k"],
  ["abfss://c/k@x", "abfss", "c", "", "k@x"],
  ["https://h:8443/a?b=1#c", "https", "h:8443", "", "a?b=1#c"],
  ["http://user@h/a", "http", "user@h", "", "a"],
  ["mem://b/k", "mem", "b", "", "k"],
  ["file:///a/b", "file", "", "", "/a/b"],
  ["file://localhost/a/b", "file", "", "", "/a/b", "file:///a/b"],
  ["file://a/b", "file", "", "", "a/b", "a/b"],
  ["/a/b", "file", "", "", "/a/b", "file:///a/b"],
  ["a/b", "file", "", "", "a/b"],
  ["./a b%20", "file", "", "", "./a b%20"],
  ["C:/x", "file", "", "", "C:/x"],
  ["a:b://c", "file", "", "", "a:b://c"],
];

for (const [text, scheme, container, host, key, formatted] of URIS) {
  Deno.test(`uri: ${text}`, () => {
    const uri = parseUri(text, "--from-remote");
    assert.deepEqual(uri, { scheme, container, host, key });
    assert.equal(formatUri(uri), formatted ?? text);
    assert.deepEqual(parseUri(formatUri(uri), "it"), uri);
  });
}

Deno.test("uri: what cannot be used names the flag, the text and what is wrong", () => {
  const table: [text: string, ...texts: string[]][] = [
    ["", "Cannot use --x: it is empty"],
    ["s3:///k", 'Cannot use --x "s3:///k": it names no bucket or host'],
    ["s3://", "it names no bucket or host"],
    ["abfs://@account/k", "it names no bucket or host"],
    ["file://", "it has no path"],
    ["s3://b/a\0b", "it has a NUL byte"],
  ];
  for (const [text, ...texts] of table) {
    assert.throws(() => parseUri(text, "--x"), (error) => {
      assert(error instanceof CopilotError);
      assert.equal(error.code, "input");
      for (const part of texts) assert(error.message.includes(part), error.message);
      return true;
    });
  }
});

Deno.test("uri: joining puts exactly one slash between", () => {
  const table: [prefix: string, name: string, joined: string][] = [
    ["", "n", "n"],
    ["p", "n", "p/n"],
    ["p/", "n", "p/n"],
    ["p//", "n", "p//n"],
    ["s3://b/out", "outputs.pb", "s3://b/out/outputs.pb"],
    ["p", "a/b", "p/a/b"],
  ];
  for (const [prefix, name, joined] of table) assert.equal(joinKey(prefix, name), joined);
});
