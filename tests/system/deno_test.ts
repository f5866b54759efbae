import assert from "assert";
import { CopilotError } from "../../src/errors.ts";
import { codeIs } from "../support/errors.ts";
import { sys } from "../../src/system/deno.ts";

const { files, clock, network } = sys;

/** A directory for one test. */
function temporary(run: (root: string) => void | Promise<void>): () => Promise<void> {
  return async () => {
    const root = Deno.makeTempDirSync();
    try {
      await run(root);
    } finally {
      Deno.removeSync(root, { recursive: true });
    }
  };
}

async function makeFifo(path: string): Promise<void> {
  const { success } = await new Deno.Command("mkfifo", { args: [path] }).output();
  assert(success);
}

Deno.test("sys.clock: a signal that has fired ends a sleep before it begins", async () => {
  await assert.rejects(clock.sleep(1, AbortSignal.abort()), codeIs("aborted"));
});

Deno.test("sys.clock: a signal that fires ends a sleep", async () => {
  const controller = new AbortController();
  const sleeping = clock.sleep(1e9, controller.signal);
  controller.abort();
  await assert.rejects(sleeping, codeIs("aborted"));
});

Deno.test("sys.clock: a sleep beyond 31 bits of milliseconds does not end at once", async () => {
  const controller = new AbortController();
  const sleeping = clock.sleep(3.6e9, controller.signal);
  const first = await Promise.race([sleeping.then(() => "slept"), clock.sleep(20).then(() => "waited")]);
  assert.equal(first, "waited");
  controller.abort();
  await assert.rejects(sleeping, codeIs("aborted"));
});

Deno.test("sys.clock: every ticks until it is stopped", async () => {
  let ticks = 0;
  const stop = clock.every(1, () => ticks++);
  while (ticks < 3) await clock.sleep(1);
  stop();
  const before = ticks;
  await clock.sleep(5);
  assert.equal(ticks, before);
});

Deno.test(
  "sys.files: what is written is read, at any offset",
  temporary((root) => {
    const file = files.createNew(`${root}/f`, 0o600);
    file.write(Uint8Array.of(1, 2, 3, 4));
    file.seek(2);
    file.write(Uint8Array.of(9));
    file.seek(0);
    const into = new Uint8Array(10);
    assert.equal(file.read(into), 4);
    assert.deepEqual(into.subarray(0, 4), Uint8Array.of(1, 2, 9, 4));
    assert.equal(file.read(into), null);
    file.truncate(2);
    const { kind, size, mode } = file.stat();
    assert.deepEqual([kind, size, mode], ["file", 2, 0o600]);
    file.close();
    assert.deepEqual(files.readFile(`${root}/f`, 2), Uint8Array.of(1, 2));
  }),
);

Deno.test(
  "sys.files: a new file never takes the place of what is there, nor of what a symlink names",
  temporary((root) => {
    Deno.writeTextFileSync(`${root}/there`, "x");
    Deno.symlinkSync(`${root}/target`, `${root}/link`);
    assert.throws(
      () => files.createNew(`${root}/there`, 0o600),
      codeIs("io", `Cannot create "${root}/there"`),
    );
    assert.throws(() => files.createNew(`${root}/link`, 0o600), codeIs("io"));
    assert.equal(files.lstat(`${root}/target`), null);
  }),
);

Deno.test(
  "sys.files: only regular files are opened, and a FIFO does not block",
  temporary(async (root) => {
    await makeFifo(`${root}/fifo`);
    assert.throws(() => files.openRead(`${root}/fifo`), codeIs("path", "it is a FIFO, socket or device"));
    assert.throws(() => files.openRead(root), codeIs("path", "it is a directory"));
    assert.throws(() => files.openRead("/dev/null"), codeIs("path"));
    assert.throws(() => files.openRead(`${root}/none`), codeIs("not-found"));
    assert.equal(files.lstat(`${root}/fifo`)?.kind, "other");
  }),
);

Deno.test(
  "sys.files: a file beyond the bound is an error, its head is not",
  temporary((root) => {
    Deno.writeFileSync(`${root}/f`, new Uint8Array(20_000).fill(7));
    assert.equal(files.readFile(`${root}/f`, 20_000).length, 20_000);
    assert.throws(() => files.readFile(`${root}/f`, 19_999), codeIs("input", "larger than 19999 bytes"));
    assert.equal(files.readHead(`${root}/f`, 9000).length, 9000);
    assert.equal(files.readHead(`${root}/f`, 1e6).length, 20_000);
    assert(files.readHead("/proc/self/stat", 4096).length > 0);
  }),
);

Deno.test(
  "sys.files: stat follows symlinks, lstat does not, and both give null where nothing is",
  temporary((root) => {
    Deno.writeTextFileSync(`${root}/f`, "abc");
    Deno.symlinkSync("f", `${root}/link`);
    Deno.symlinkSync("nowhere", `${root}/dangling`);
    assert.equal(files.stat(`${root}/link`)?.kind, "file");
    assert.equal(files.lstat(`${root}/link`)?.kind, "symlink");
    assert.equal(files.stat(`${root}/dangling`), null);
    assert.equal(files.lstat(`${root}/dangling`)?.kind, "symlink");
    assert.equal(files.lstat(`${root}/none`), null);
    assert.equal(files.lstat(`${root}/f/below`), null);
    const [f, link] = [files.stat(`${root}/f`), files.stat(`${root}/link`)];
    assert.deepEqual([f?.dev, f?.ino], [link?.dev, link?.ino]);
    assert.equal(files.realPath(`${root}/link`), files.realPath(`${root}/f`));
  }),
);

Deno.test(
  "sys.files: directories are made with their parents, listed with kinds, removed when empty",
  temporary(async (root) => {
    files.mkdir(`${root}/a/b/c`);
    files.mkdir(`${root}/a/b/c`);
    Deno.writeTextFileSync(`${root}/a/f`, "");
    Deno.symlinkSync("f", `${root}/a/l`);
    await makeFifo(`${root}/a/p`);
    const entries = [...files.readDir(`${root}/a`)].sort((x, y) => (x.name < y.name ? -1 : 1));
    assert.deepEqual(entries.map(({ name, kind }) => `${name} ${kind}`), [
      "b directory",
      "f file",
      "l symlink",
      "p other",
    ]);
    assert.throws(() => files.remove(`${root}/a/b`), codeIs("io", `Cannot remove "${root}/a/b"`));
    files.remove(`${root}/a/b/c`);
    files.remove(`${root}/a/b/c`);
    files.remove(`${root}/a/f/below`);
    assert.throws(() => [...files.readDir(`${root}/none`)], codeIs("not-found", "Cannot list"));
    assert.throws(() => files.mkdir(`${root}/a/f`), codeIs("io"));
  }),
);

Deno.test(
  "sys.files: a rename takes the place of what is there",
  temporary((root) => {
    Deno.writeTextFileSync(`${root}/new`, "new");
    Deno.writeTextFileSync(`${root}/old`, "old");
    files.rename(`${root}/new`, `${root}/old`);
    assert.equal(Deno.readTextFileSync(`${root}/old`), "new");
    assert.throws(() => files.rename(`${root}/new`, `${root}/old`), codeIs("not-found"));
  }),
);

Deno.test("sys.network: what one end writes the other reads, and a closed connection reads no more", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [theirs, ours] = await Promise.all([
    listener.accept(),
    network.connect("127.0.0.1", listener.addr.port),
  ]);
  await ours.write(new TextEncoder().encode("ping"));
  const into = new Uint8Array(10);
  assert.equal(await theirs.read(into), 4);
  theirs.close();
  assert.equal(await ours.read(into), null);
  ours.close();
  ours.close();
  await assert.rejects(ours.read(into));
  listener.close();
});

Deno.test("sys.network: nobody listening is `network`, and names host and port", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  await assert.rejects(network.connect("127.0.0.1", port), codeIs("network", `127.0.0.1:${port}`));
});

Deno.test("sys.network: TLS with a server that speaks plain text fails and closes", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    const conn = await listener.accept();
    await conn.write(new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n"));
    while (await conn.read(new Uint8Array(1000)).catch(() => null) !== null);
    conn.close();
  })();
  const dialling = network.connectTls("localhost", listener.addr.port, { caCerts: [] });
  await assert.rejects(dialling, CopilotError);
  await serving;
  listener.close();
});

Deno.test("sys.randomHex: as many digits as asked for, never the same", () => {
  for (const length of [1, 15, 16, 33]) {
    assert.match(sys.randomHex(length), new RegExp(`^[0-9a-f]{${length}}$`));
  }
  assert.notEqual(sys.randomHex(16), sys.randomHex(16));
  const value = sys.random();
  assert(value >= 0 && value < 1);
});

Deno.test(
  "a write that the kernel takes in pieces is completed",
  temporary((root) => {
    const { writeSync } = Deno.FsFile.prototype;
    // What a full pipe or a signal makes of a write, at its shortest.
    Deno.FsFile.prototype.writeSync = function (bytes) {
      return writeSync.call(this, bytes.subarray(0, 3));
    };
    try {
      const file = files.createNew(`${root}/f`, 0o600);
      file.write(new TextEncoder().encode("in pieces"));
      file.close();
    } finally {
      Deno.FsFile.prototype.writeSync = writeSync;
    }
    assert.equal(Deno.readTextFileSync(`${root}/f`), "in pieces");
  }),
);
