import assert from "assert";
import { CopilotError } from "../../src/errors.ts";
import { codeIs } from "../support/errors.ts";
import { Staging, STAGING_NAME } from "../../src/transfer/staging.ts";
import { sys } from "../../src/system/deno.ts";
import { openBelow, systemWith, temporaryDirectory, utf8 } from "../support/flows.ts";

const MODE = 0o666;
/** With temporary names that are known. */
const SYSTEM = { ...sys, randomHex: () => "run" };

Deno.test("staging: a file has its final name only once it is committed, and is whole then", () => {
  using dir = temporaryDirectory();
  const staging = new Staging(SYSTEM, dir.path);
  const staged = staging.create(MODE);
  staged.file.write(utf8("half "));
  assert.deepEqual(dir.tree(), { [`${STAGING_NAME}/`]: null, [`${STAGING_NAME}/run-0`]: "half " });
  staged.file.write(utf8("and half"));
  staged.commit(dir.at("a/b/c"));
  staged.discard();
  staging.cleanUp();
  assert.deepEqual(dir.tree(), { "a/": null, "a/b/": null, "a/b/c": "half and half" });
  assert.deepEqual(openBelow(dir.path), []);
});

Deno.test("staging: a commit replaces a file of that name, and a symlink without following it", () => {
  using dir = temporaryDirectory();
  using elsewhere = temporaryDirectory();
  elsewhere.write("victim", "untouched");
  dir.write("old", "old");
  Deno.symlinkSync(elsewhere.at("victim"), dir.at("link"));
  const staging = new Staging(SYSTEM, dir.path);
  staging.write(dir.at("old"), (write) => write(utf8("new")), MODE);
  staging.write(dir.at("link"), (write) => write(utf8("mine")), MODE);
  staging.cleanUp();
  assert.deepEqual(dir.tree(), { link: "mine", old: "new" });
  assert.deepEqual(elsewhere.tree(), { victim: "untouched" });
});

Deno.test("staging: nothing is left after discard, and discard closes the file", () => {
  using dir = temporaryDirectory();
  const staging = new Staging(SYSTEM, dir.path);
  const staged = staging.create(MODE);
  staged.file.write(utf8("x"));
  staged.discard();
  staged.discard();
  assert.deepEqual(dir.tree(), { [`${STAGING_NAME}/`]: null });
  assert.deepEqual(openBelow(dir.path), []);
  staging.cleanUp();
  assert.deepEqual(dir.tree(), {});
});

Deno.test("staging: what an earlier run left is removed, whatever it is, what it finished stays", () => {
  using dir = temporaryDirectory();
  dir.write(`${STAGING_NAME}/0123-0`, "half a file");
  dir.write(`${STAGING_NAME}/sub/below/x`, "an earlier main's");
  new Deno.Command("sh", {
    args: ["-c", `printf x > "$(printf '${dir.at(STAGING_NAME)}/\\377')"`],
  }).outputSync();
  dir.write("whole", "whole");
  const staging = new Staging(SYSTEM, dir.path);
  staging.clear();
  assert.deepEqual([...Deno.readDirSync(dir.path)].map(({ name }) => name), ["whole"]);
  staging.write(dir.at("next"), (write) => write(utf8("next")), MODE);
  staging.cleanUp();
  assert.deepEqual(dir.tree(), { next: "next", whole: "whole" });
});

Deno.test("staging: a run removes its own names and nobody else's", () => {
  using dir = temporaryDirectory();
  const staging = new Staging(SYSTEM, dir.path);
  staging.create(MODE).file.close();
  dir.write(`${STAGING_NAME}/foreign`, "untouched");
  assert.throws(() => staging.cleanUp(), CopilotError);
  assert.deepEqual(dir.tree(), { [`${STAGING_NAME}/`]: null, [`${STAGING_NAME}/foreign`]: "untouched" });
});

Deno.test("staging: what a swapped symlink leads to is not removed, under no name", () => {
  using dir = temporaryDirectory();
  using elsewhere = temporaryDirectory();
  const staging = new Staging(SYSTEM, dir.path);
  const staged = staging.create(MODE);
  Deno.renameSync(dir.at(STAGING_NAME), dir.at("old"));
  Deno.symlinkSync(elsewhere.path, dir.at(STAGING_NAME));
  for (const name of ["0", "run-0", "x"]) elsewhere.write(name, "untouched");
  assert.throws(() => staged.discard(), codeIs("path", STAGING_NAME));
  assert.throws(() => staging.cleanUp(), codeIs("path", STAGING_NAME));
  assert.deepEqual(elsewhere.tree(), { "0": "untouched", "run-0": "untouched", "x": "untouched" });
  assert.deepEqual(openBelow(dir.path), []);
  new Staging(SYSTEM, dir.path).clear();
  assert.deepEqual(Object.keys(elsewhere.tree()).length, 3, "nor by the rerun");
});

for (const swapped of ["a", "a/b"]) {
  Deno.test(`staging: nothing is made below ${swapped} once it was swapped for a symlink`, () => {
    using dir = temporaryDirectory();
    using elsewhere = temporaryDirectory();
    Deno.mkdirSync(elsewhere.at("b"));
    const staging = new Staging(SYSTEM, dir.path);
    staging.ensureDirectory(dir.at("a/b"));
    Deno.renameSync(dir.at(swapped), dir.at("old"));
    Deno.symlinkSync(elsewhere.path, dir.at(swapped));
    for (const name of ["a/b/c", "a/b/c/d"]) {
      assert.throws(() => staging.ensureDirectory(dir.at(name)), codeIs("path", dir.at(swapped)));
    }
    const write = () => staging.write(dir.at("a/b/file"), (write) => write(utf8("x")), MODE);
    assert.throws(write, codeIs("path", dir.at(swapped)));
    assert.deepEqual(elsewhere.tree(), { "b/": null });
    staging.cleanUp();
  });
}

Deno.test("staging: a symlink in the place of its directory is removed, not what it leads to", () => {
  using dir = temporaryDirectory();
  using elsewhere = temporaryDirectory();
  elsewhere.write("0", "untouched");
  Deno.symlinkSync(elsewhere.path, dir.at(STAGING_NAME));
  const staging = new Staging(SYSTEM, dir.path);
  staging.clear();
  staging.write(dir.at("a"), (write) => write(utf8("a")), MODE);
  staging.cleanUp();
  assert.deepEqual(dir.tree(), { a: "a" });
  assert.deepEqual(elsewhere.tree(), { "0": "untouched" });
});

Deno.test("staging: without cleanUp a symlink in the place of its directory is refused", () => {
  using dir = temporaryDirectory();
  using elsewhere = temporaryDirectory();
  Deno.symlinkSync(elsewhere.path, dir.at(STAGING_NAME));
  const staging = new Staging(SYSTEM, dir.path);
  assert.throws(() => staging.create(MODE), codeIs("path", STAGING_NAME, "symlink"));
  assert.deepEqual(elsewhere.tree(), {});
});

for (const depth of ["link", "a/link", "link/below/it"]) {
  Deno.test(`staging: a symlink on the way to ${depth}/file is refused`, () => {
    using dir = temporaryDirectory();
    using elsewhere = temporaryDirectory();
    const link = depth.slice(0, depth.indexOf("link") + 4);
    dir.write("a/x", "");
    Deno.symlinkSync(elsewhere.path, dir.at(link));
    const staging = new Staging(SYSTEM, dir.path);
    assert.throws(
      () => staging.write(dir.at(`${depth}/file`), (write) => write(utf8("x")), MODE),
      codeIs("path", dir.at(link), "symlink"),
    );
    assert.throws(() => staging.ensureDirectory(dir.at(depth)), codeIs("path", "symlink"));
    staging.cleanUp();
    assert.deepEqual(elsewhere.tree(), {});
    assert.deepEqual(openBelow(dir.path), []);
  });
}

Deno.test("staging: a file in the place of a directory is refused by name", () => {
  using dir = temporaryDirectory();
  dir.write("a", "a");
  const staging = new Staging(SYSTEM, dir.path);
  assert.throws(() => staging.ensureDirectory(dir.at("a/b")), codeIs("path", dir.at("a"), "file"));
});

Deno.test("staging: nothing is made outside the root", () => {
  using dir = temporaryDirectory();
  const staging = new Staging(SYSTEM, dir.at("root"));
  Deno.mkdirSync(dir.at("root"));
  for (const path of [dir.at("other"), dir.at("rooted/x"), dir.path, "/", "/etc"]) {
    assert.throws(() => staging.ensureDirectory(path), codeIs("path", path, "outside"));
  }
  assert.deepEqual(dir.tree(), { "root/": null });
});

Deno.test("staging: a root with a slash at its end, and the root of all, are the same as without", () => {
  using dir = temporaryDirectory();
  const staging = new Staging(SYSTEM, `${dir.path}//`);
  staging.write(dir.at("d/a"), (write) => write(utf8("a")), MODE);
  staging.cleanUp();
  assert.deepEqual(dir.tree(), { "d/": null, "d/a": "a" });
  const made: string[] = [];
  const directory = sys.files.lstat("/");
  const lstat = (path: string) => made.includes(path) ? directory : null;
  const system = systemWith({ lstat, mkdir: (path) => void made.push(path) });
  new Staging(system, "/").ensureDirectory("/var/x");
  assert.deepEqual(made, ["/var", "/var/x"]);
});

Deno.test("staging: a file costs one look at each directory between the root and it, and no other", () => {
  using dir = temporaryDirectory();
  const looked: string[] = [];
  const system = systemWith({
    lstat(path) {
      looked.push(path);
      return sys.files.lstat(path);
    },
    realPath: (path) => assert.fail(`${path} is looked at from the root of all`),
  });
  const staging = new Staging(system, dir.path);
  const write = (name: string) => staging.write(dir.at(name), (write) => write(utf8("")), MODE);
  write("d/e/0");
  looked.length = 0;
  write("d/e/1");
  assert.deepEqual(looked, [dir.at(STAGING_NAME), dir.at("d"), dir.at("d/e")]);
});

Deno.test("staging: a rename that fails leaves neither file", () => {
  using dir = temporaryDirectory();
  dir.write("taken/by/others", "");
  const staging = new Staging(SYSTEM, dir.path);
  assert.throws(() => staging.write(dir.at("taken"), (write) => write(utf8("x")), MODE), CopilotError);
  staging.cleanUp();
  assert.deepEqual(dir.tree(), { "taken/": null, "taken/by/": null, "taken/by/others": "" });
  assert.deepEqual(openBelow(dir.path), []);
});
