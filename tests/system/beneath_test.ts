import assert from "assert";
import { codeIs } from "../support/errors.ts";
import { openWithin, readWithin } from "../../src/system/beneath.ts";
import { Staging } from "../../src/transfer/staging.ts";
import { OutputDirectory } from "../../src/run/output_directory.ts";
import { sys } from "../../src/system/deno.ts";
import type { Files } from "../../src/system/mod.ts";
import { openBelow, systemWith, temporaryDirectory, utf8 } from "../support/flows.ts";

const MODE = 0o666;

/** The machine, on which somebody swaps things around an `open`. */
function files(swap: { before?(): void; after?(): void }): Files {
  return systemWith({
    openRead(path) {
      swap.before?.();
      const file = sys.files.openRead(path);
      swap.after?.();
      return file;
    },
  }).files;
}

Deno.test("within: a file, and a symlink that stays inside, are opened", () => {
  using dir = temporaryDirectory();
  dir.write("d/f", "content");
  Deno.symlinkSync("d/f", dir.at("link"));
  Deno.symlinkSync("d", dir.at("dirlink"));
  for (const name of ["d/f", "link", "dirlink/f"]) {
    const bytes = readWithin(sys.files, dir.at(name), { realRoot: dir.path, maxBytes: 7 });
    assert.deepEqual(bytes, utf8("content"), name);
  }
  assert.throws(
    () => readWithin(sys.files, dir.at("d/f"), { realRoot: dir.path, maxBytes: 6 }),
    codeIs("input", dir.at("d/f"), "6 bytes"),
  );
  assert.deepEqual(openBelow(dir.path), []);
});

Deno.test("within: a symlink to the outside is refused, whenever it is swapped in", () => {
  using outside = temporaryDirectory();
  outside.write("f", "a secret");
  const cases: Record<string, (dir: { at(name: string): string }) => { before?(): void; after?(): void }> = {
    "the file, before": (dir) => ({
      before() {
        Deno.removeSync(dir.at("d/f"));
        Deno.symlinkSync(outside.at("f"), dir.at("d/f"));
      },
    }),
    "the file, before, and back after": (dir) => ({
      before() {
        Deno.renameSync(dir.at("d/f"), dir.at("kept"));
        Deno.symlinkSync(outside.at("f"), dir.at("d/f"));
      },
      after: () => Deno.renameSync(dir.at("kept"), dir.at("d/f")),
    }),
    "its directory, before": (dir) => ({
      before() {
        Deno.renameSync(dir.at("d"), dir.at("kept"));
        Deno.symlinkSync(outside.path, dir.at("d"));
      },
    }),
    "its directory, before, and back after": (dir) => ({
      before() {
        Deno.renameSync(dir.at("d"), dir.at("kept"));
        Deno.symlinkSync(outside.path, dir.at("d"));
      },
      after() {
        Deno.removeSync(dir.at("d"));
        Deno.renameSync(dir.at("kept"), dir.at("d"));
      },
    }),
  };
  for (const [name, swap] of Object.entries(cases)) {
    using dir = temporaryDirectory();
    dir.write("d/f", "content");
    assert.throws(
      () => openWithin(files(swap(dir)), dir.at("d/f"), dir.path),
      codeIs("path", dir.at("d/f")),
      name,
    );
    assert.deepEqual(openBelow(outside.path), [], name);
  }
});

Deno.test("within: outputs are opened so, files and values alike", () => {
  using dir = temporaryDirectory();
  using outside = temporaryDirectory();
  outside.write("f", "a secret");
  dir.write("f", "content");
  const swap = {
    before() {
      Deno.removeSync(dir.at("f"));
      Deno.symlinkSync(outside.at("f"), dir.at("f"));
    },
  };
  const tree = new OutputDirectory(files(swap), dir.path);
  assert.throws(() => tree.file(dir.at("f")).open(), codeIs("path"));
  assert.throws(() => tree.bytes(["f"], 100), codeIs("path"));
});

Deno.test("within: nothing is written through a directory that was swapped for a symlink during the run", () => {
  for (const name of ["d", ".copilot-tmp"]) {
    using dir = temporaryDirectory();
    using outside = temporaryDirectory();
    const staging = new Staging(sys, dir.path);
    staging.write(dir.at("d/first"), (write) => write(utf8("1")), MODE);
    Deno.removeSync(dir.at(name), { recursive: true });
    Deno.symlinkSync(outside.path, dir.at(name));
    assert.throws(
      () => staging.write(dir.at("d/second"), (write) => write(utf8("2")), MODE),
      codeIs("path", dir.at(name)),
    );
    staging.cleanUp();
    assert.deepEqual(outside.tree(), {});
  }
});
