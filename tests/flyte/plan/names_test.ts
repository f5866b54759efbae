import assert from "assert";
import { codeIs } from "../../support/errors.ts";
import {
  assertName,
  assertPathLength,
  assertUri,
  basenameOfUri,
  elementPlace,
  keyPlace,
  nameFault,
  quoted,
  variableError,
  variablePlace,
} from "../../../src/flyte/plan/names.ts";

Deno.test("a name is one component of a path", async (t) => {
  const cases: [name: string, fault: RegExp | null][] = [
    ["x", null],
    ["with space", null],
    ["größe", null],
    ["..x", null],
    ["x..", null],
    ["a..b", null],
    ["...", null],
    [".hidden", null],
    ["%2e%2e", null],
    ["a\\b", null],
    ["a\nb", null],
    ["*?[x]", null],
    ["日".repeat(85), null],
    ["x".repeat(255), null],
    ["", /empty/],
    [".", /is "\."/],
    ["..", /"\.\." component/],
    ["../x", /"\.\." component/],
    ["a/../b", /"\.\." component/],
    ["x/..", /"\.\." component/],
    ["/etc/passwd", /slash/],
    ["a/b", /slash/],
    ["a..b/c", /slash/],
    ["a\0b", /NUL/],
    ["\ud800", /Unicode/],
    ["x".repeat(256), /255 bytes/],
    ["日".repeat(86), /255 bytes/],
  ];
  for (const [name, fault] of cases) {
    await t.step(quoted(name), () => {
      const found = nameFault(name);
      if (fault === null) assert.equal(found, null);
      else assert.match(found ?? "", fault);
    });
  }
});

Deno.test("a refused name is an error of code path with variable and name in it", () => {
  assert.throws(() => assertName("../x", 'm["../x"]'), {
    code: "path",
    message: 'Cannot use variable m["../x"]: the name "../x" has a ".." component, wanted a plain file name',
  });
});

Deno.test("a path longer than the kernel's limit is refused in bytes, not characters", () => {
  assertPathLength("/" + "x".repeat(4094), "v");
  assertPathLength("/" + "é".repeat(2047), "v");
  assert.throws(() => assertPathLength("/" + "x".repeat(4095), "v"), { code: "path" });
  assert.throws(() => assertPathLength("/" + "é".repeat(2048), "v"), { code: "path" });
});

Deno.test("places are readable, and odd names are quoted in them", () => {
  assert.equal(keyPlace(elementPlace(variablePlace("files"), 2), "x"), "files[2].x");
  assert.equal(keyPlace("m", "a.b"), 'm["a.b"]');
  assert.equal(keyPlace("m", "x\ny"), 'm["x\\ny"]');
  assert.equal(variablePlace("größe"), "größe");
  assert.equal(variablePlace("a b"), '"a b"');
});

Deno.test("a message shows a bounded part of hostile names", () => {
  const error = variableError("input", { action: "use", variable: "v".repeat(100_000), fault: "no" });
  assert.ok(error.message.length < 1000);
  assert.ok(quoted("x".repeat(100_000)).length < 200);
});

Deno.test("the basename of a URI is its last component as it is written", async (t) => {
  const cases: [uri: string, name: string][] = [
    ["s3://b/a/sample.fastq.gz", "sample.fastq.gz"],
    ["s3://b/a/b%20c", "b%20c"],
    ["s3://b/what?.txt", "what?.txt"],
    ["s3://b/run#7.txt", "run#7.txt"],
    ["s3://b/dir/", "dir"],
    ["s3://b/dir//", "dir"],
    ["s3://b", "b"],
    ["https://h/a/data.csv?sig=a/b#top", "data.csv"],
    ["HTTP://h/a/data.csv#x/y", "data.csv"],
    ["https://h/?x", "h"],
    ["/local/file", "file"],
    ["file:///local/file", "file"],
    ["s3://b/x/..", ".."],
    ["", ""],
    ["///", ""],
  ];
  for (const [uri, name] of cases) await t.step(uri, () => assert.equal(basenameOfUri(uri), name));
});

Deno.test("names: a URI with a control character is refused before anything is sent, a path is not", () => {
  const refused = ["http://h/a\r\nHost: x", "s3://b/a\0", "redis://h/\x7f", "https://h\n/"];
  for (const uri of refused) {
    assert.throws(
      () => assertUri(uri, { action: "use", variable: "v" }),
      codeIs("input", "variable v", "control character"),
    );
  }
  for (const uri of ["s3://b/ä b", "/a\nb", "a\tb"]) assertUri(uri, { action: "use", variable: "v" });
});
