import assert from "assert";
import { CopilotError } from "../../src/errors.ts";
import { codeIs } from "../support/errors.ts";
import { OutputDirectory } from "../../src/run/output_directory.ts";
import { sys } from "../../src/system/deno.ts";
import { systemWith, type TemporaryDirectory, temporaryDirectory } from "../support/flows.ts";

function treeOf(dir: TemporaryDirectory): OutputDirectory {
  return new OutputDirectory(sys.files, dir.path);
}

function walked(tree: OutputDirectory, directory: string): string[] {
  return [...tree.walk(directory)].map(({ relative }) => relative).sort();
}

function mkfifo(path: string): void {
  assert(new Deno.Command("mkfifo", { args: [path] }).outputSync().success);
}

Deno.test("output tree: files, directories and what is missing", () => {
  using dir = temporaryDirectory();
  dir.write("f", "four");
  dir.write("d/g", "");
  const tree = treeOf(dir);
  assert.equal(tree.kind(["f"]), "file");
  assert.equal(tree.kind(["d"]), "directory");
  assert.equal(tree.kind([]), "directory");
  for (const path of [["x"], ["d", "x"], ["f", "x"], ["x", "y"]]) assert.equal(tree.kind(path), "missing");
  assert.deepEqual(tree.names([]).sort(), ["d", "f"]);
  assert.deepEqual(tree.names(["d"]), ["g"]);
  assert.equal(tree.size(["f"]), 4);
  assert.equal(new TextDecoder().decode(tree.bytes(["f"], 4)), "four");
  assert.throws(() => tree.bytes(["f"], 3), codeIs("input", dir.at("f"), "3"));
  assert.equal(tree.path(["d", "g"]), dir.at("d/g"));
});

Deno.test("output tree: a name that is not UTF-8 is told to who asks for it, else it is refused", () => {
  using dir = temporaryDirectory();
  dir.write("d/f", "");
  const listDir: typeof sys.files.listDir = (path, onForeign) => {
    onForeign("caf\\xE9");
    return sys.files.listDir(path, onForeign);
  };
  const tree = new OutputDirectory({ ...sys.files, listDir }, dir.path);
  const foreign: string[] = [];
  assert.deepEqual(tree.names([], (shown) => foreign.push(shown)), ["d"]);
  assert.deepEqual(foreign, ["caf\\xE9"]);
  assert.throws(() => tree.names(["d"]), codeIs("path", dir.at("d"), "caf\\xE9"));
});

Deno.test("output tree: walking gives every file once, whatever its name, and no directory", () => {
  using dir = temporaryDirectory();
  const names = [
    "a",
    "sub/b",
    "sub/deep/er/c",
    "sub/.hidden",
    "a b",
    "%41",
    "#?&",
    "new\nline",
    "\\",
    "日本語/ü",
    "..x",
    "...",
    "x".repeat(255),
    "-rf",
    "\x1b[31m",
  ];
  for (const name of names) dir.write(`d/${name}`, "");
  Deno.mkdirSync(dir.at("d/empty/empty"), { recursive: true });
  const tree = treeOf(dir);
  assert.deepEqual(walked(tree, dir.at("d")), names.toSorted());
  for (const { relative, path } of tree.walk(dir.at("d"))) assert.equal(path, dir.at(`d/${relative}`));
});

Deno.test("output tree: an empty directory has no files", () => {
  using dir = temporaryDirectory();
  Deno.mkdirSync(dir.at("d"));
  assert.deepEqual(walked(treeOf(dir), dir.at("d")), []);
});

Deno.test("output tree: symlinks that stay inside are followed", () => {
  using dir = temporaryDirectory();
  dir.write("f", "four");
  dir.write("data/x", "X");
  Deno.symlinkSync("f", dir.at("to-f"));
  Deno.symlinkSync(dir.at("to-f"), dir.at("to-to-f"));
  Deno.symlinkSync("data", dir.at("to-data"));
  Deno.mkdirSync(dir.at("d"));
  Deno.symlinkSync("../data", dir.at("d/linked"));
  Deno.symlinkSync("../data/x", dir.at("d/file"));
  const tree = treeOf(dir);
  assert.equal(tree.kind(["to-f"]), "file");
  assert.equal(tree.kind(["to-to-f"]), "file");
  assert.equal(tree.size(["to-to-f"]), 4);
  assert.equal(tree.kind(["to-data"]), "directory");
  assert.deepEqual(walked(tree, dir.at("to-data")), ["x"]);
  assert.deepEqual(walked(tree, dir.at("d")), ["file", "linked/x"]);
});

Deno.test("output tree: the root may be behind a symlink itself", () => {
  using dir = temporaryDirectory();
  dir.write("real/f", "F");
  Deno.symlinkSync("f", dir.at("real/link"));
  Deno.symlinkSync("real", dir.at("root"));
  const tree = new OutputDirectory(sys.files, dir.at("root"));
  assert.equal(tree.kind(["link"]), "file");
  assert.deepEqual(walked(tree, dir.at("root")), ["f", "link"]);
});

for (
  const [what, target] of [
    ["leads outside", "/etc/passwd"],
    ["leads outside", "/etc"],
    ["leads outside", "../sibling-of-root/secret"],
    ["leads outside", ".."],
    ["leads nowhere", "missing"],
    ["leads nowhere", "/nowhere/at/all"],
  ] as const
) {
  Deno.test(`output tree: a symlink to ${target} is refused: it ${what}`, () => {
    using outer = temporaryDirectory();
    outer.write("sibling-of-root/secret", "secret");
    outer.write("root/d/f", "");
    Deno.symlinkSync(target, outer.at("root/link"));
    Deno.symlinkSync(target.startsWith("..") ? `../${target}` : target, outer.at("root/d/link"));
    const tree = new OutputDirectory(sys.files, outer.at("root"));
    assert.throws(() => tree.kind(["link"]), codeIs("path", outer.at("root/link"), what));
    assert.throws(() => tree.size(["link"]), codeIs("path"));
    assert.throws(() => walked(tree, outer.at("root/d")), codeIs("path", outer.at("root/d/link"), what));
  });
}

Deno.test("output tree: a root whose name another directory's begins with does not hold that one", () => {
  using outer = temporaryDirectory();
  outer.write("root/f", "");
  outer.write("rooted/secret", "");
  Deno.symlinkSync("../rooted/secret", outer.at("root/link"));
  const tree = new OutputDirectory(sys.files, outer.at("root"));
  assert.throws(() => tree.kind(["link"]), codeIs("path", "leads outside"));
});

for (
  const [what, links] of [
    ["to itself", { "d/link": "link" }],
    ["to each other", { "d/a": "b", "d/b": "a" }],
    ["to its directory", { "d/link": "." }],
    ["to the directory above", { "d/sub/link": ".." }],
    ["to a directory that leads back", { "d/there": "../e", "e/back": "../d" }],
  ] as const
) {
  Deno.test(`output tree: symlinks ${what} are an error, not a loop`, () => {
    using dir = temporaryDirectory();
    for (const name of ["d/f", "d/sub/g", "e/h"]) dir.write(name, "");
    for (const [name, target] of Object.entries(links)) Deno.symlinkSync(target, dir.at(name));
    assert.throws(() => walked(treeOf(dir), dir.at("d")), CopilotError);
  });
}

Deno.test("output tree: links that make a tree exponentially large are refused", () => {
  using dir = temporaryDirectory();
  dir.write("d/0/f", "");
  for (let level = 1; level <= 40; level++) {
    Deno.mkdirSync(dir.at(`d/${level}`));
    for (const name of ["a", "b"]) Deno.symlinkSync(`../${level - 1}`, dir.at(`d/${level}/${name}`));
  }
  let files = 0;
  assert.throws(() => {
    for (const _ of treeOf(dir).walk(dir.at("d"))) if (++files > 10_000) assert.fail("10,000 files of 1");
  }, codeIs("path", "symlink"));
});

Deno.test("output tree: a FIFO is refused and never opened", () => {
  using dir = temporaryDirectory();
  Deno.mkdirSync(dir.at("d"));
  mkfifo(dir.at("d/pipe"));
  Deno.symlinkSync("d/pipe", dir.at("link"));
  const tree = treeOf(dir);
  assert.throws(() => tree.kind(["d", "pipe"]), codeIs("path", dir.at("d/pipe"), "FIFO"));
  assert.throws(() => tree.kind(["link"]), codeIs("path", "FIFO"));
  assert.throws(() => walked(tree, dir.at("d")), codeIs("path", dir.at("d/pipe"), "FIFO"));
});

Deno.test("output tree: a socket is refused", async () => {
  using dir = temporaryDirectory();
  const listener = Deno.listen({ transport: "unix", path: dir.at("socket") });
  try {
    assert.throws(() => treeOf(dir).kind(["socket"]), codeIs("path", dir.at("socket")));
  } finally {
    listener.close();
  }
  await Promise.resolve();
});

Deno.test("output tree: what is gone between listing and looking is an error that names it", () => {
  using dir = temporaryDirectory();
  dir.write("d/sub/f", "");
  const { files } = systemWith({
    lstat: (path) => path.endsWith("/sub") ? null : sys.files.lstat(path),
  });
  const tree = new OutputDirectory(files, dir.path);
  assert.throws(() => [...tree.walk(dir.at("d"))], codeIs("changed", dir.at("d/sub")));
});
