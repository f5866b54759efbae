/**
 * Whether the machine and the pod have threads left. The runtime starts some when it needs them, for the first look-up of a name for
 * instance, and ends the process where it cannot; so this is found out beforehand. No limit can be read for it: the pod's stands in a
 * cgroup that a container does not see. Threads are started and ended instead, by the C library, which only says no.
 * @module
 */

/** On this thread, so that asking takes none; `callback` keeps the runtime from loading a compiler for them. */
const FUNCTIONS = {
  dlsym: { parameters: ["usize", "buffer"], result: "usize", callback: true },
  sem_init: { parameters: ["buffer", "i32", "u32"], result: "i32", callback: true },
  sem_post: { parameters: ["buffer"], result: "i32", callback: true },
  pthread_create: { parameters: ["buffer", "usize", "usize", "usize"], result: "i32", callback: true },
  pthread_join: { parameters: ["usize", "usize"], result: "i32", callback: true },
} as const;

/** More than a `sem_t` has on any architecture. */
const SEMAPHORE_BYTES = 64;

/** Tells whether so many threads can be started now, all at once. */
export type ThreadProbe = (count: number) => boolean;

/** Null where the machine cannot do this: no C library of that name, one before glibc 2.34, no right to load it. */
export function openThreadProbe(): ThreadProbe | null {
  let libc: Deno.DynamicLibrary<typeof FUNCTIONS>;
  try {
    libc = Deno.dlopen("libc.so.6", FUNCTIONS);
  } catch {
    return null;
  }
  const { dlsym, sem_init, sem_post, pthread_create, pthread_join } = libc.symbols;
  const wait = dlsym(0n, new TextEncoder().encode("sem_wait\0"));
  const semaphore = new Uint8Array(new ArrayBuffer(SEMAPHORE_BYTES));
  const address = BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(semaphore)));
  if (wait === 0n) return null;
  return (count) => {
    const thread = new BigUint64Array(1);
    const threads: bigint[] = [];
    sem_init(semaphore, 0, 0);
    while (threads.length < count && pthread_create(thread, 0n, wait, address) === 0) {
      threads.push(thread[0]!);
    }
    for (const _ of threads) sem_post(semaphore);
    for (const one of threads) pthread_join(one, 0n);
    return threads.length === count;
  };
}
