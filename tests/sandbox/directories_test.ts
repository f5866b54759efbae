/** Directories that the main thread reads for a Worker: every byte of every name, in bounded memory, and nothing that is not the Worker's. */
import assert from "assert";
import { type DirectoryRequest, DirectoryServer, sharedAnswer } from "../../src/sandbox/directory_server.ts";
import { sys } from "../../src/system/deno.ts";
import { type DirentReader, openDirentReader } from "../../src/system/getdents.ts";
import type { ListingJob, Seen } from "../support/directory_worker.ts";
import { temporaryDirectory } from "../support/flows.ts";

/** Loaded once, for good: what is loaded within a test would be a leak of it. */
const READER = openDirentReader()!;

interface Answered extends Seen {
  requests: DirectoryRequest[];
  /** Directories that were opened and not closed. */
  leftOpen: number;
}

/** Lists a directory in a Worker; the main thread may read what is below `root`. */
async function list(
  job: Omit<ListingJob, "shared">,
  { root, reader = READER }: { root: string; reader?: DirentReader },
): Promise<Answered> {
  let leftOpen = 0;
  const counted: DirentReader = {
    ...reader,
    open: async (path) => {
      const fd = await reader.open(path);
      if (fd >= 0) leftOpen++;
      return fd;
    },
    close: async (fd) => {
      leftOpen--;
      await reader.close(fd);
    },
  };
  const shared = sharedAnswer();
  const server = new DirectoryServer({ reader: counted, files: sys.files, shared, readable: () => [root] });
  const worker = new Worker(new URL("../support/directory_worker.ts", import.meta.url), { type: "module" });
  const requests: DirectoryRequest[] = [];
  const seen = await new Promise<Seen>((resolve) => {
    worker.onmessage = ({ data }: MessageEvent<DirectoryRequest | Seen>) => {
      if (data.kind === "seen") return resolve(data);
      requests.push(data);
      void server.answer(data);
    };
    worker.postMessage({ ...job, shared });
  });
  worker.terminate();
  await server.close();
  return { ...seen, requests, leftOpen };
}

/** Makes files whose names are bytes, which the runtime cannot. */
async function withNames(directory: string, names: string[]): Promise<void> {
  const script = names.map((name) => `: > "$(printf '%b' '${name}')"`).join("\n");
  const { success, stderr } = await new Deno.Command("sh", { args: ["-c", script], cwd: directory }).output();
  assert(success, new TextDecoder().decode(stderr));
}

Deno.test("directories: every kind of entry, whatever its name, and those that are not UTF-8 shown", async () => {
  using dir = temporaryDirectory();
  dir.write("a/plain", "");
  dir.write("a/grüße 日本 😀\n", "");
  Deno.mkdirSync(dir.at("a/sub"));
  Deno.symlinkSync("nowhere", dir.at("a/link"));
  await withNames(dir.at("a"), ["caf\\0351.txt", "\\0377\\0001"]);
  const { entries, foreign, leftOpen, error } = await list({ path: dir.at("a") }, { root: dir.path });
  assert.deepEqual(entries.sort(), ["grüße 日本 😀\n file", "link symlink", "plain file", "sub directory"]);
  assert.deepEqual(foreign.sort(), ["\\xFF\\x01", "caf\\xE9.txt"]);
  assert.deepEqual([error, leftOpen], [null, 0]);
});

Deno.test("directories: a large one comes in pieces, also while one below it is read, and is closed when nobody reads on", async () => {
  using dir = temporaryDirectory();
  for (let i = 0; i < 9000; i++) Deno.writeTextFileSync(dir.at(`file-${String(i).padStart(20, "0")}`), "");
  dir.write("sub/deep/x", "");
  const whole = await list({ path: `${dir.path}/`, isDeep: true }, { root: dir.path });
  assert.equal(new Set(whole.entries).size, 9003);
  assert(whole.requests.some(({ kind }) => kind === "list-more"), "more than one piece");
  assert.equal(whole.leftOpen, 0);
  const some = await list({ path: dir.path, most: 10 }, { root: dir.path });
  assert.deepEqual([some.entries.length, some.requests.at(-1)!.kind, some.leftOpen], [10, "list-close", 0]);
});

Deno.test("directories: what the Worker may not read is not read for it, also behind a symlink", async () => {
  using dir = temporaryDirectory();
  dir.write("own/x", "");
  dir.write("other/secret", "");
  Deno.symlinkSync(dir.at("other"), dir.at("own/link"));
  const opened: string[] = [];
  const reader: DirentReader = { ...READER, open: (path) => (opened.push(path), READER.open(path)) };
  for (const path of ["other", "own/link", "own/../other", "own/none", "own/x"]) {
    await list({ path: dir.at(path) }, { root: dir.at("own"), reader });
  }
  assert.deepEqual(opened, [dir.at("own/x")], "a file is asked for and is no directory");
});

Deno.test("directories: where the main thread cannot read one, the runtime does, and says what is wrong", async () => {
  using dir = temporaryDirectory();
  dir.write("a/x", "");
  const reader: DirentReader = {
    open: () => Promise.resolve(-1),
    read: () => Promise.resolve(-1),
    close: () => Promise.resolve(),
  };
  assert.deepEqual((await list({ path: dir.at("a") }, { root: dir.path, reader })).entries, ["x file"]);
  const { error } = await list({ path: dir.at("none") }, { root: dir.path, reader });
  assert.match(error!, /^Cannot list ".*none": /);
});

Deno.test("directories: a handle that was never given is not served", async () => {
  const read: number[] = [];
  const reader: DirentReader = {
    open: () => Promise.resolve(-1),
    read: (fd) => (read.push(fd), Promise.resolve(0)),
    close: (fd) => (read.push(fd), Promise.resolve()),
  };
  const server = new DirectoryServer({
    reader,
    files: sys.files,
    shared: sharedAnswer(),
    readable: () => [],
  });
  await server.answer({ kind: "list-more", handle: 0 });
  await server.answer({ kind: "list-close", handle: 2 });
  assert.deepEqual(read, []);
});
