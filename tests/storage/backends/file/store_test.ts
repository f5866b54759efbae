/**
 * What files have and object stores have not: symlinks, FIFOs, names that are refused, leftovers, versions by time.
 */
import assert from "assert";
import { codeIs } from "../../../support/errors.ts";
import type { BackendContext } from "../../../../src/storage/backend.ts";
import { backend } from "../../../../src/storage/backends/file/mod.ts";
import { FileStore } from "../../../../src/storage/backends/file/store.ts";
import {
  type ByteSource,
  bytesSource,
  type CallOptions,
  type ObjectStore,
  readAll,
} from "../../../../src/storage/store.ts";
import { parseUri } from "../../../../src/storage/uri.ts";
import { sys } from "../../../../src/system/deno.ts";

const { signal } = new AbortController();
const call = { signal };
const text = (value: string) => bytesSource(new TextEncoder().encode(value));

const CONTEXT: BackendContext = { system: sys, env: {}, caCerts: [], allow: () => Promise.resolve(), signal };

interface Place {
  /** The directory of the container `c`. */
  root: string;
  /** Of kind `local`: keys are below the container's directory. */
  local: ObjectStore;
  /** Of scheme `file`: keys are paths. */
  paths: ObjectStore;
}

function withPlace(run: (place: Place) => Promise<void>): () => Promise<void> {
  return async () => {
    const path = Deno.makeTempDirSync();
    try {
      const settings = { kind: "local", values: { path: `${path}/` }, secrets: {} };
      const local = await backend.open(parseUri("s3://c/", "it"), settings, CONTEXT);
      const paths = await backend.open(parseUri("file:///", "it"), { ...settings, kind: "" }, CONTEXT);
      Deno.mkdirSync(`${path}/c`);
      await run({ root: `${path}/c`, local, paths });
    } finally {
      Deno.removeSync(path, { recursive: true });
    }
  };
}

async function keysOf(store: ObjectStore, prefix: string): Promise<string[]> {
  return (await store.list(prefix, call)).objects.map(({ key }) => key);
}

async function textOf(store: ObjectStore, key: string): Promise<string> {
  const { body } = await store.get(key, call);
  return new TextDecoder().decode(await readAll(body, 1e6, () => new Error("too large")));
}

Deno.test(
  "file store: a key of kind local is the file <path>/<container>/<key>, a key of file:// is the path",
  withPlace(async ({ root, local, paths }) => {
    assert.deepEqual([local.root, paths.root], ["s3://c", "file:/"]);
    await local.put("a/b", text("x"), call);
    assert.equal(Deno.readTextFileSync(`${root}/a/b`), "x");
    assert.equal(await textOf(paths, `${root}/a/b`), "x");
    assert.deepEqual(await keysOf(paths, `${root}/a`), [`${root}/a/b`]);
  }),
);

Deno.test(
  "file store: names that no file can have are refused in a container",
  withPlace(async ({ root, local }) => {
    for (
      const key of [
        "",
        "../x",
        "a/../../x",
        "a/..",
        "/x",
        "a//b",
        "./x",
        "a/./b",
        "a\0b",
        "n".repeat(256),
        "ü".repeat(128),
      ]
    ) {
      await assert.rejects(local.put(key, text("x"), call), codeIs("path"), key);
      await assert.rejects(local.get(key, call), codeIs("path"), key);
      await assert.rejects(local.delete(key, call), codeIs("path"), key);
    }
    await assert.rejects(local.list("../", call), codeIs("path", '".." component'));
    await local.put("n".repeat(255), text("x"), call);
    await local.put("ü".repeat(127), text("x"), call);
    assert.deepEqual([...Deno.readDirSync(`${root}/..`)].map(({ name }) => name), ["c"]);
  }),
);

Deno.test(
  "file store: a path is spelled as its user likes, but never climbs",
  withPlace(async ({ root, paths }) => {
    Deno.mkdirSync(`${root}/d`);
    await paths.put(`${root}/./d//x`, text("x"), call);
    assert.equal(Deno.readTextFileSync(`${root}/d/x`), "x");
    await assert.rejects(paths.get(`${root}/d/../d/x`, call), codeIs("path", '".." component'));
  }),
);

Deno.test("file store: a container needs a directory, and is a name", async () => {
  const open = (uri: string, path?: string) =>
    backend.open(
      parseUri(uri, "it"),
      { kind: "local", values: path === undefined ? {} : { path }, secrets: {} },
      CONTEXT,
    );
  await assert.rejects(open("s3://c/k"), codeIs("config", '"path"'));
  await assert.rejects(open("s3://../k", "/tmp/x"), codeIs("path", "no name of a container"));
  await assert.rejects(open("s3://./k", "/tmp/x"), codeIs("path"));
});

Deno.test(
  "file store: symlinks are followed inside the container, and refused where they leave it",
  withPlace(async ({ root, local }) => {
    Deno.writeTextFileSync(`${root}/../secret`, "secret");
    Deno.mkdirSync(`${root}/../outside`);
    Deno.writeTextFileSync(`${root}/../outside/f`, "secret");
    await local.put("d/f", text("inside"), call);
    Deno.symlinkSync("d", `${root}/in`);
    Deno.symlinkSync("f", `${root}/d/g`);
    assert.deepEqual(await keysOf(local, ""), ["d/f", "d/g", "in/f", "in/g"]);
    assert.equal(await textOf(local, "in/g"), "inside");
    await local.put("in/new", text("new"), call);
    assert.equal(Deno.readTextFileSync(`${root}/d/new`), "new");

    Deno.symlinkSync("../secret", `${root}/leak`);
    Deno.symlinkSync("../outside", `${root}/out`);
    for (const key of ["leak", "out/f"]) {
      await assert.rejects(local.get(key, call), codeIs("path", "symlink leads outside"));
      await assert.rejects(local.head(key, call), codeIs("path"));
    }
    await assert.rejects(local.put("out/new", text("x"), call), codeIs("path"));
    await assert.rejects(local.put("out/deeper/new", text("x"), call), codeIs("path"));
    await assert.rejects(local.put("out/marker/", text(""), call), codeIs("path"));
    await assert.rejects(local.delete("out/f", call), codeIs("path"));
    await assert.rejects(local.list("", call), codeIs("path", "leads outside"));
    await assert.rejects(local.list("out/", call), codeIs("path"));
    assert.deepEqual([...Deno.readDirSync(`${root}/../outside`)].map(({ name }) => name), ["f"]);
  }),
);

Deno.test(
  "file store: putting to a symlink replaces the link, deleting removes it, and what it names stays",
  withPlace(async ({ root, local }) => {
    Deno.writeTextFileSync(`${root}/../secret`, "secret");
    Deno.symlinkSync("../secret", `${root}/link`);
    await local.put("link", text("mine"), call);
    assert.equal(Deno.readTextFileSync(`${root}/../secret`), "secret");
    assert.equal(await textOf(local, "link"), "mine");
    Deno.symlinkSync("link", `${root}/other`);
    await local.delete("other", call);
    assert.deepEqual(await keysOf(local, ""), ["link"]);
  }),
);

Deno.test(
  "file store: a directory behind a symlink is followed once, so a cycle is an error and not for ever",
  withPlace(async ({ root, local }) => {
    await local.put("d/f", text("x"), call);
    Deno.symlinkSync("..", `${root}/d/up`);
    await assert.rejects(local.list("", call), codeIs("path", "only one is followed"));
    Deno.removeSync(`${root}/d/up`);
    Deno.symlinkSync("nowhere", `${root}/d/dangling`);
    await assert.rejects(local.list("", call), codeIs("path", "leads to nothing"));
  }),
);

Deno.test(
  "file store: FIFOs are refused and never opened",
  withPlace(async ({ root, local }) => {
    assert((await new Deno.Command("mkfifo", { args: [`${root}/fifo`] }).output()).success);
    await assert.rejects(local.get("fifo", call), codeIs("path", "FIFO"));
    await assert.rejects(local.list("", call), codeIs("path", "FIFO"));
    assert.deepEqual(await keysOf(local, "other"), []);
  }),
);

Deno.test(
  "file store: unfinished files are not objects, and their names are refused",
  withPlace(async ({ root, local }) => {
    const upload = await local.beginUpload("d/x", call);
    await upload.part(1, text("part"), call);
    const [leftover] = [...Deno.readDirSync(`${root}/d`)].map(({ name }) => name);
    assert.match(leftover ?? "", /^\.copilot-[0-9a-f]{16}\.tmp$/);
    assert.deepEqual(await keysOf(local, ""), []);
    await assert.rejects(local.get(`d/${leftover}`, call), codeIs("path", "reserved for unfinished files"));
    await local.put("d/.copilot-x.tmp", text("not one of ours"), call);
    await upload.complete(call);
    assert.deepEqual(await keysOf(local, ""), ["d/.copilot-x.tmp", "d/x"]);
    assert.equal([...Deno.readDirSync(`${root}/d`)].length, 2);
  }),
);

Deno.test(
  "file store: what fails leaves no directory that was made for it, and none that others use",
  withPlace(async ({ root, local }) => {
    const short = { size: 10, open: () => text("x").open() };
    await assert.rejects(local.put("a/b/c", short, call), codeIs("changed"));
    assert.deepEqual([...Deno.readDirSync(root)], []);
    const upload = await local.beginUpload("a/b/c", call);
    await local.put("a/other", text("x"), call);
    await upload.abort(call);
    assert.deepEqual(await keysOf(local, ""), ["a/other"]);
    assert.deepEqual([...Deno.readDirSync(`${root}/a`)].map(({ name }) => name), ["other"]);
  }),
);

Deno.test(
  "file store: empty directories are keys that end in a slash; others are not",
  withPlace(async ({ root, local }) => {
    Deno.mkdirSync(`${root}/empty/er`, { recursive: true });
    await local.put("full/x", text("x"), call);
    assert.deepEqual(await keysOf(local, ""), ["empty/er/", "full/x"]);
    assert.deepEqual(await keysOf(local, "empty/er/"), ["empty/er/"]);
    assert.deepEqual(await keysOf(local, "empty/er/x"), []);
    assert.equal((await local.head("empty/er/", call)).size, 0);
    assert.equal(await textOf(local, "empty/er/"), "");
    for (const key of ["full/", "full", "empty", "full/x/"]) {
      await assert.rejects(local.head(key, call), codeIs("not-found"), key);
      await assert.rejects(local.get(key, call), codeIs("not-found"), key);
      await local.delete(key, call);
    }
    await assert.rejects(local.put("new/", text("bytes"), call), codeIs("path", "cannot hold 5 bytes"));
    assert.deepEqual(await keysOf(local, ""), ["empty/er/", "full/x"]);
  }),
);

Deno.test(
  "file store: a file cannot be a directory too",
  withPlace(async ({ local }) => {
    await local.put("a", text("x"), call);
    await local.put("d/f", text("x"), call);
    await assert.rejects(
      local.put("a/b", text("x"), call),
      codeIs("path", "is a file, so nothing can be below it"),
    );
    await assert.rejects(local.put("a/b/c", text("x"), call), codeIs("path"));
    await assert.rejects(local.put("d", text("x"), call), codeIs("path", "a directory has that name"));
    await assert.rejects(local.beginUpload("d", call), codeIs("path"));
    await assert.rejects(local.get("a/b", call), codeIs("not-found"));
    await local.delete("a/b", call);
    assert.deepEqual(await keysOf(local, ""), ["a", "d/f"]);
  }),
);

Deno.test(
  "file store: a body ends with `changed` when its file was written to meanwhile, cut or not",
  withPlace(async ({ root, local }) => {
    const size = 100_000;
    for (const change of ["append", "truncate"] as const) {
      await local.put("k", bytesSource(new Uint8Array(size)), call);
      const { body } = await local.get("k", call);
      await body.read(new Uint8Array(10));
      if (change === "append") Deno.writeTextFileSync(`${root}/k`, "x", { append: true });
      else Deno.truncateSync(`${root}/k`, 20);
      await assert.rejects(readAll(body, 1e6, () => new Error("too large")), codeIs("changed"));
    }
  }),
);

Deno.test(
  "file store: a body goes on with the file that it opened when another took its name",
  withPlace(async ({ local }) => {
    await local.put("k", text("old object"), call);
    const { body } = await local.get("k", call);
    await local.put("k", text("new"), call);
    assert.equal(
      new TextDecoder().decode(await readAll(body, 100, () => new Error("too large"))),
      "old object",
    );
  }),
);

Deno.test(
  "file store: parts that begin in order are written once, others are put in order at the end",
  withPlace(async ({ root, local }) => {
    const inodeOf = () => [...Deno.readDirSync(root)].map(({ name }) => Deno.statSync(`${root}/${name}`).ino);
    const cases: { order: number[]; copied: boolean }[] = [
      { order: [1, 2, 3], copied: false },
      { order: [3, 1, 2], copied: true },
      { order: [1, 2, 1, 3], copied: true },
    ];
    for (const { order, copied } of cases) {
      const upload = await local.beginUpload("k", call);
      const [before] = inodeOf();
      for (const number of order) await upload.part(number, text(String(number).repeat(5)), call);
      await upload.complete(call);
      assert.equal(await textOf(local, "k"), "111112222233333");
      assert.equal(inodeOf()[0] !== before, copied, `parts ${order}`);
      await local.delete("k", call);
    }
  }),
);

Deno.test(
  "file store: a try that failed leaves its place to the next, so that nothing need be copied",
  withPlace(async ({ root, local }) => {
    const upload = await local.beginUpload("k", call);
    const before = [...Deno.readDirSync(root)].map(({ name }) => Deno.statSync(`${root}/${name}`).ino);
    await upload.part(1, text("one"), call);
    await assert.rejects(upload.part(2, { size: 3, open: () => text("t").open() }, call), codeIs("changed"));
    await upload.part(3, text("three"), call);
    await upload.part(2, text("two"), call);
    await upload.complete(call);
    assert.equal(await textOf(local, "k"), "onetwothree");
    assert.deepEqual([Deno.statSync(`${root}/k`).ino], before);
  }),
);

Deno.test(
  "file store: a part whose try failed and that never came again is not in the object",
  withPlace(async ({ local }) => {
    const upload = await local.beginUpload("k", call);
    await upload.part(1, text("one"), call);
    await assert.rejects(upload.part(2, { size: 9, open: () => text("x").open() }, call), codeIs("changed"));
    await upload.part(3, text("three"), call);
    await upload.complete(call);
    assert.equal(await textOf(local, "k"), "onethree");
    await assert.rejects(upload.part(4, text("x"), call), codeIs("not-found", "the upload has ended"));
  }),
);

Deno.test(
  "file store: a listing goes on from any token, in order, whatever was listed meanwhile",
  withPlace(async ({ root, local }) => {
    for (let i = 0; i < 1500; i++) {
      const directory = `${root}/l/${i % 3}`;
      Deno.mkdirSync(directory, { recursive: true });
      Deno.writeTextFileSync(`${directory}/${String(i).padStart(4, "0")}`, "");
    }
    const first = await local.list("l/", call);
    assert.equal(first.objects.length, 1000);
    for (let i = 0; i < 10; i++) await local.list(`l/${i % 3}/`, call);
    const fresh = await backend.open(parseUri("s3://c/", "it"), {
      kind: "local",
      values: { path: root.replace(/\/c$/, "") },
      secrets: {},
    }, CONTEXT);
    const second = await local.list("l/", { ...call, token: first.next! });
    assert.deepEqual(await fresh.list("l/", { ...call, token: first.next! }), second);
    assert.equal(second.next, undefined);
    const keys = [...first.objects, ...second.objects].map(({ key }) => key);
    assert.deepEqual(keys, [...new Set(keys)].sort());
    assert.equal(keys.length, 1500);
  }),
);

/** A store whose new files take everything and keep nothing, so that a write costs no disk. */
function boundless(directory: string): FileStore {
  const createNew: typeof sys.files.createNew = (path, mode) => ({
    ...sys.files.createNew(path, mode),
    write() {},
    read: (into) => into.length,
    seek() {},
  });
  return new FileStore({ ...sys, files: { ...sys.files, createNew } }, { root: "s3://c", directory });
}

/** A source of so many bytes that never waits. */
function sourceOf(size: number): ByteSource {
  return {
    size,
    open() {
      let left = size;
      const read = (into: Uint8Array) => {
        const count = Math.min(left, into.length);
        left -= count;
        return Promise.resolve(count === 0 ? null : count);
      };
      return { read, close() {} };
    },
  };
}

/** Options with a signal that fires a millisecond later. */
function late(): CallOptions {
  const end = new AbortController();
  setTimeout(() => end.abort(), 1);
  return { signal: end.signal };
}

for (
  const [what, run] of [
    ["a get", async (store) => {
      const { body } = await store.get("large", late());
      const buffer = new Uint8Array(256 * 1024);
      const drain = async () => {
        while (await body.read(buffer) !== null);
      };
      await drain().finally(() => body.close());
    }],
    ["a put", (store) => store.put("new", sourceOf(2 ** 40), late())],
    ["a part", async (store) => {
      const upload = await store.beginUpload("new", call);
      await upload.part(1, sourceOf(2 ** 40), late()).finally(() => upload.abort(call));
    }],
    ["joining parts", async (store) => {
      const upload = await store.beginUpload("new", call);
      for (const number of [2, 1]) await upload.part(number, sourceOf(2 ** 35), call);
      await upload.complete(late()).finally(() => upload.abort(call));
    }],
    ["listings", async (store) => {
      for (const options = late();;) await store.list("", options);
    }],
  ] satisfies [string, (store: FileStore) => Promise<unknown>][]
) {
  Deno.test(
    `file store: a timer is heard in the middle of ${what}, however long it takes`,
    withPlace(async ({ root }) => {
      using file = Deno.createSync(`${root}/large`);
      file.truncateSync(2 ** 40);
      await assert.rejects(run(boundless(root)), codeIs("aborted"));
      assert.deepEqual([...Deno.readDirSync(root)].map(({ name }) => name), ["large"]);
    }),
  );
}
