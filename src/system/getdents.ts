/**
 * Reads directories by getdents64(2), in pieces of bounded size; see dirents.ts for why. The C library is the one that pidfd.ts
 * calls; its functions run on a thread of their own, as there.
 * @module
 */

const FUNCTIONS = {
  open: { parameters: ["buffer", "i32"], result: "i32", nonblocking: true },
  syscall: { parameters: ["i64", "i32", "buffer", "u64"], result: "i64", nonblocking: true },
  close: { parameters: ["i32"], result: "i32", nonblocking: true },
} as const;

/** The number of getdents64, and O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, which architectures have different bits for. */
const ARCHITECTURES: Readonly<Record<string, { getdents64: bigint; flags: number }>> = {
  x86_64: { getdents64: 217n, flags: 0o2600000 },
  aarch64: { getdents64: 61n, flags: 0o2140000 },
};

const encoder = new TextEncoder();

/** Directories as bytes. */
export interface DirentReader {
  /** Opens a directory; a negative number where that fails. @param path canonical: a symlink at its end is not followed */
  open(path: string): Promise<number>;
  /** Fills a buffer with further entries; gives the bytes, 0 at the end, a negative number for a failure. */
  read(fd: number, into: Uint8Array<ArrayBuffer>): Promise<number>;
  close(fd: number): Promise<void>;
}

/** Null where the machine cannot do this: no C library of that name, no right to load one, another architecture. */
export function openDirentReader(): DirentReader | null {
  const architecture = ARCHITECTURES[Deno.build.arch];
  if (architecture === undefined || Deno.build.os !== "linux") return null;
  const { getdents64, flags } = architecture;
  let libc: Deno.DynamicLibrary<typeof FUNCTIONS>;
  try {
    libc = Deno.dlopen("libc.so.6", FUNCTIONS);
  } catch {
    return null;
  }
  const { open, syscall, close } = libc.symbols;
  return {
    open: (path) => open(encoder.encode(`${path}\0`), flags),
    read: async (fd, into) => Number(await syscall(getdents64, fd, into, BigInt(into.length))),
    close: async (fd) => void await close(fd),
  };
}
