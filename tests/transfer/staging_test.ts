import assert from "assert";
import { CopilotError } from "../../src/errors.ts";
import { codeIs } from "../support/errors.ts";
import { Staging, STAGING_NAME } from "../../src/transfer/staging.ts";
import { sys } from "../../src/system/deno.ts";
import { openBelow, systemWith, temporaryDirectory, utf8 } from "../support/flows.ts";

const MODE = 0o666;

Deno.test("staging: a file has its final name only once it is committed, and is whole then", () => {
  using dir = temporaryDirectory();
  const staging = new Staging(sys.files, dir.path);
  const staged = staging.create(MODE);
  staged.file.write(utf8("half "));
  assert.deepEqual(dir.tree(), { [`${STAGING_NAME}/`]: null, [`${STAGING_NAME}/0`]: "half " });
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
  const staging = new Staging(sys.files, dir.path);
  staging.write(dir.at("old"), (write) => write(utf8("new")), MODE);
  staging.write(dir.at("link"), (write) => write(utf8("mine")), MODE);
  staging.cleanUp();
  assert.deepEqual(dir.tree(), { link: "mine", old: "new" });
  assert.deepEqual(elsewhere.tree(), { victim: "untouched" });
});

Deno.test("staging: nothing is left after discard, and discard closes the file", () => {
  using dir = temporaryDirectory();
  const staging = new Staging(sys.files, dir.path);
  const staged = staging.create(MODE);
  staged.file.write(utf8("x"));
  staged.discard();
  staged.discard();
  assert.deepEqual(dir.tree(), { [`${STAGING_NAME}/`]: null });
  assert.deepEqual(openBelow(dir.path), []);
  staging.cleanUp();
  assert.deepEqual(dir.tree(), {});
});

Deno.test("staging: what a killed run left is removed, what it finished stays", () => {
  using dir = temporaryDirectory();
  dir.write(`${STAGING_NAME}/0`, "half a file");
  dir.write(`${STAGING_NAME}/17`, "");
  dir.write("whole", "whole");
  const staging = new Staging(sys.files, dir.path);
  staging.cleanUp();
  assert.deepEqual(dir.tree(), { whole: "whole" });
  staging.write(dir.at("next"), (write) => write(utf8("next")), MODE);
  staging.cleanUp();
  assert.deepEqual(dir.tree(), { next: "next", whole: "whole" });
});

Deno.test("staging: a symlink in the place of its directory is removed, not what it leads to", () => {
  using dir = temporaryDirectory();
  using elsewhere = temporaryDirectory();
  elsewhere.write("0", "untouched");
  Deno.symlinkSync(elsewhere.path, dir.at(STAGING_NAME));
  const staging = new Staging(sys.files, dir.path);
  staging.cleanUp();
  staging.write(dir.at("a"), (write) => write(utf8("a")), MODE);
  staging.cleanUp();
  assert.deepEqual(dir.tree(), { a: "a" });
  assert.deepEqual(elsewhere.tree(), { "0": "untouched" });
});

Deno.test("staging: without cleanUp a symlink in the place of its directory is refused", () => {
  using dir = temporaryDirectory();
  using elsewhere = temporaryDirectory();
  Deno.symlinkSync(elsewhere.path, dir.at(STAGING_NAME));
  const staging = new Staging(sys.files, dir.path);
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
    const staging = new Staging(sys.files, dir.path);
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
  const staging = new Staging(sys.files, dir.path);
  assert.throws(() => staging.ensureDirectory(dir.at("a/b")), codeIs("path", dir.at("a"), "file"));
});

Deno.test("staging: nothing is made outside the root", () => {
  using dir = temporaryDirectory();
  const staging = new Staging(sys.files, dir.at("root"));
  Deno.mkdirSync(dir.at("root"));
  for (const path of [dir.at("other"), dir.at("rooted/x"), dir.path, "/", "/etc"]) {
    assert.throws(() => staging.ensureDirectory(path), codeIs("path", path, "outside"));
  }
  assert.deepEqual(dir.tree(), { "root/": null });
});

Deno.test("staging: a root with a slash at its end, and the root of all, are the same as without", () => {
  using dir = temporaryDirectory();
  const staging = new Staging(sys.files, `${dir.path}//`);
  staging.write(dir.at("d/a"), (write) => write(utf8("a")), MODE);
  staging.cleanUp();
  assert.deepEqual(dir.tree(), { "d/": null, "d/a": "a" });
  const made: string[] = [];
  const { files } = systemWith({ lstat: () => null, mkdir: (path) => void made.push(path) });
  new Staging(files, "/").ensureDirectory("/var/x");
  assert.deepEqual(made, ["/var", "/var/x"]);
});

Deno.test("staging: each directory is looked at once, however many files it gets", () => {
  using dir = temporaryDirectory();
  const looked: string[] = [];
  const { files } = systemWith({
    lstat(path) {
      looked.push(path);
      return sys.files.lstat(path);
    },
  });
  const staging = new Staging(files, dir.path);
  for (let i = 0; i < 20; i++) staging.write(dir.at(`d/${i}`), (write) => write(utf8("")), MODE);
  assert.deepEqual(looked, [dir.at(STAGING_NAME), dir.at("d")]);
});

Deno.test("staging: a rename that fails leaves neither file", () => {
  using dir = temporaryDirectory();
  dir.write("taken/by/others", "");
  const staging = new Staging(sys.files, dir.path);
  assert.throws(() => staging.write(dir.at("taken"), (write) => write(utf8("x")), MODE), CopilotError);
  staging.cleanUp();
  assert.deepEqual(dir.tree(), { "taken/": null, "taken/by/": null, "taken/by/others": "" });
  assert.deepEqual(openBelow(dir.path), []);
});
