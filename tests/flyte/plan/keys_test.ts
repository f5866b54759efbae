import assert from "assert";
import type { KeyPlace } from "../../../src/flyte/plan/keys.ts";
import {
  decodedKey,
  KeyTree,
  listPrefix,
  relativePathOfKey,
  spellingsOf,
} from "../../../src/flyte/plan/keys.ts";

Deno.test("a listing goes by segment", () => {
  assert.equal(listPrefix("blobs/dir"), "blobs/dir/");
  assert.equal(listPrefix("blobs/dir/"), "blobs/dir/");
  assert.equal(listPrefix(""), "");
});

Deno.test("an object below a prefix becomes a file or a directory", async (t) => {
  const file = (path: string): KeyPlace => ({ kind: "file", path });
  const directory = (path: string): KeyPlace => ({ kind: "directory", path });
  const cases: [prefix: string, key: string, size: number, place: KeyPlace | null][] = [
    ["d", "d/x", 1, file("x")],
    ["d/", "d/x/y", 0, file("x/y")],
    ["d", "d/x%20y", 1, file("x%20y")],
    ["d", "d/100%?#", 1, file("100%?#")],
    ["d", "d/..x/y..", 1, file("..x/y..")],
    ["", "x/y", 1, file("x/y")],
    ["d", "d/", 0, directory("")],
    ["d", "d/sub/", 0, directory("sub")],
    ["d", "d/a/b/", 0, directory("a/b")],
    ["d", "d2/x", 1, null],
    ["d", "d.txt", 1, null],
    ["d", "d-old/x", 1, null],
    ["d", "d", 1, null],
    ["d/", "d", 1, null],
  ];
  for (const [prefix, key, size, place] of cases) {
    await t.step(
      `${prefix} | ${key}`,
      () => assert.deepEqual(relativePathOfKey(prefix, { key, size }), place),
    );
  }
});

Deno.test("a key that no file can have is refused with the key in the message", async (t) => {
  const cases: [key: string, fault: RegExp][] = [
    ["d/../../escape.txt", /"d\/\.\.\/\.\.\/escape\.txt".*"\.\." component/],
    ["d/..", /"\.\." component/],
    ["d/../", /"\.\." component/],
    ["d/./x", /is "\."/],
    ["d//x", /is empty/],
    ["d//", /is empty/],
    ["d/a\0b", /NUL/],
    [`d/${"x".repeat(256)}`, /255 bytes/],
  ];
  for (const [key, message] of cases) {
    await t.step(
      JSON.stringify(key).slice(0, 40),
      () => assert.throws(() => relativePathOfKey("d", { key, size: 0 }), { code: "path", message }),
    );
  }
});

Deno.test("bytes under a key that ends in a slash are refused, never dropped", () => {
  assert.throws(() => relativePathOfKey("d", { key: "d/x/", size: 3 }), {
    code: "path",
    message: /"d\/x\/".*3 bytes/,
  });
  assert.throws(() => relativePathOfKey("d", { key: "d/", size: 3 }), { code: "path" });
});

function placeOf(text: string): KeyPlace {
  return text.endsWith("/") ? { kind: "directory", path: text.slice(0, -1) } : { kind: "file", path: text };
}

for (const sorted of [true, false]) {
  const kind = sorted ? "sorted" : "unsorted";

  Deno.test(`${kind}: directories are made once, parents first`, () => {
    const keys = new KeyTree({ sorted });
    const made = ["a/b/1", "a/b/2", "a/c/d/", "a/c/d/e", "a-b/x", "ab/x", "f", "g/"].sort().map((text) =>
      [text, keys.add(placeOf(text))] as const
    );
    assert.deepEqual(made, [
      ["a-b/x", ["a-b"]],
      ["a/b/1", ["a", "a/b"]],
      ["a/b/2", []],
      ["a/c/d/", ["a/c", "a/c/d"]],
      ["a/c/d/e", []],
      ["ab/x", ["ab"]],
      ["f", []],
      ["g/", ["g"]],
    ]);
    assert.deepEqual(keys.add({ kind: "directory", path: "" }), []);
  });

  Deno.test(`${kind}: a file that is a directory too is refused, both are named`, async (t) => {
    const cases: [keys: string[], message: RegExp][] = [
      [["a", "a/b"], /"a\/b".*object "a" too/],
      [["a", "a-b", "a.b/x", "a/b"], /"a\/b".*object "a" too/],
      [["a", "a/"], /"a\/".*object "a" too/],
      [["x/a", "x/a!", "x/a/b/c"], /"x\/a\/b\/c".*object "x\/a" too/],
      [["a", "a!", "a!!", "a!!/x"], /"a!!\/x".*object "a!!" too/],
    ];
    for (const [texts, message] of cases) {
      await t.step(texts.join(" "), () => {
        const keys = new KeyTree({ sorted });
        for (const text of texts.slice(0, -1)) keys.add(placeOf(text));
        assert.throws(() => keys.add(placeOf(texts.at(-1)!)), { code: "path", message });
      });
    }
  });

  Deno.test(`${kind}: names that only begin alike are no clash`, () => {
    const keys = new KeyTree({ sorted });
    for (const text of ["a", "a-/x", "a.txt", "a0", "aa", "aa0/x", "b", "b0/a"]) keys.add(placeOf(text));
  });
}

/** What a listing of keys, those with `0` at the end without bytes, becomes: directories, and files in the order of release. */
function laidOut(keys: readonly string[], { sorted }: { sorted: boolean }): [string[], string[]] {
  const tree = new KeyTree<string>({ sorted });
  const [directories, files]: [string[], string[]] = [[], []];
  for (const key of keys) {
    const [text, isEmpty] = [key.replace(/=0$/, ""), key.endsWith("=0")];
    const place = placeOf(text);
    directories.push(...(isEmpty ? tree.add(place, text) : tree.add(place)));
    files.push(...tree.released(), ...(place.kind === "file" && !isEmpty ? [text] : []));
  }
  return [directories, [...files, ...tree.rest()]];
}

Deno.test("a file without bytes is a directory where something lies below it, else it is a file", async (t) => {
  const cases: [keys: string[], directories: string[], files: string[]][] = [
    [["a=0"], [], ["a"]],
    [["a=0", "a/b"], ["a"], ["a/b"]],
    [["a=0", "a/"], ["a"], []],
    [["a=0", "a!", "a.b=0", "a/b=0"], ["a"], ["a!", "a.b", "a/b"]],
    [["a=0", "a!=0", "a!!=0", "a!!/x", "b"], ["a!!"], ["a", "a!", "a!!/x", "b"]],
    [["a=0", "a/b=0", "a/b/c=0", "a/b/c/d"], ["a", "a/b", "a/b/c"], ["a/b/c/d"]],
    [["a=0", "a0"], [], ["a", "a0"]],
  ];
  for (const sorted of [true, false]) {
    for (const [keys, directories, files] of cases) {
      await t.step(`${sorted ? "sorted" : "unsorted"}: ${keys.join(" ")}`, () => {
        const [made, found] = laidOut(keys, { sorted });
        assert.deepEqual([made.sort(), found.sort()], [directories, files]);
      });
    }
  }
  await t.step("unsorted: also where it comes last", () => {
    assert.deepEqual(laidOut(["a/b", "a=0"], { sorted: false }), [["a"], ["a/b"]]);
  });
});

Deno.test("sorted: files without bytes are let go as soon as nothing below them can follow", () => {
  const tree = new KeyTree<number>({ sorted: true });
  let held = 0;
  for (let i = 0; i < 1000; i++) {
    tree.add({ kind: "file", path: `f${String(i).padStart(4, "0")}` }, i);
    held += 1 - tree.released().length;
    assert(held <= 1, `${held} are held`);
  }
});

Deno.test("a name is tried as it is written, decoded, and without what Flyte's dataproxy cuts off", async (t) => {
  const cases: [key: string, spellings: string[]][] = [
    ["plain", ["plain"]],
    ["c%20d", ["c%20d", "c d"]],
    ["raw/a%20b#1.csv", ["raw/a%20b#1.csv", "raw/a b#1.csv", "raw/a b"]],
    ["a?b#c", ["a?b#c", "a"]],
    ["a#b?c", ["a#b?c", "a"]],
    ["#x", ["#x"]],
    ["%zz#", ["%zz#", "%zz"]],
  ];
  for (const [key, spellings] of cases) {
    await t.step(key, () => assert.deepEqual(spellingsOf(key), spellings));
  }
});

Deno.test("unsorted: a directory that comes before the file of its name is refused", () => {
  const keys = new KeyTree({ sorted: false });
  keys.add(placeOf("a/b"));
  assert.throws(() => keys.add(placeOf("a")), { code: "path", message: /object "a" too/ });
});

Deno.test("a key is decoded only where that gives another key in valid UTF-8", async (t) => {
  const cases: [key: string, decoded: string | null][] = [
    ["c%20d.txt", "c d.txt"],
    ["gr%C3%B6%c3%9fe", "größe"],
    ["e%41/x", "eA/x"],
    ["%41é%42", "AéB"],
    ["100%25%zz%", "100%%zz%"],
    ["plain", null],
    ["100%.txt", null],
    ["a%2", null],
    ["%ff", null],
    ["ok%20%C3", null],
    ["a%00b", null],
  ];
  for (const [key, decoded] of cases) await t.step(key, () => assert.equal(decodedKey(key), decoded));
});
