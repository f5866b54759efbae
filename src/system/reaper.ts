/**
 * What falls to process 1 of a container: every orphan becomes its child, and stays a zombie until somebody waits for it. The
 * runtime waits only for processes that it has started itself, so the C library is called directly.
 * @module
 */
import type { Clock, Reaper } from "./mod.ts";

/** All are called on a thread of their own: calls on the own thread load a compiler. */
const FUNCTIONS = {
  waitid: { parameters: ["i32", "u32", "buffer", "i32"], result: "i32", nonblocking: true },
  waitpid: { parameters: ["i32", "buffer", "i32"], result: "i32", nonblocking: true },
  kill: { parameters: ["i32", "i32"], result: "i32", nonblocking: true },
} as const;

/** waitid(2): any child that has ended, without waiting for one, leaving it as it is. */
const P_ALL = 0;
const WNOHANG = 1;
const WEXITED = 4;
const WNOWAIT = 0x0100_0000;
/** Bytes of a siginfo_t, and where the process's id is in it. */
const SIGINFO_BYTES = 128;
const SIGINFO_PID_AT = 16;

const SIGKILL = 9;
const EVERYONE = -1;

/** How long the ends of killed processes are waited for: one that hangs in the kernel must not hold up the upload. */
const END_MS = 5000;
const END_POLL_MS = 5;

class InitProcess implements Reaper {
  readonly #libc: Deno.DynamicLibrary<typeof FUNCTIONS>;
  readonly #main: number;
  readonly #clock: Clock;
  readonly #onChild = () => void this.#reap();
  #reaping: Promise<boolean> = Promise.resolve(false);

  constructor(libc: Deno.DynamicLibrary<typeof FUNCTIONS>, options: { main: number; clock: Clock }) {
    this.#libc = libc;
    this.#main = options.main;
    this.#clock = options.clock;
    Deno.addSignalListener("SIGCHLD", this.#onChild);
  }

  async endOthers(): Promise<void> {
    await this.#libc.symbols.kill(EVERYONE, SIGKILL);
    for (let waitedMs = 0; !await this.#reap() && waitedMs < END_MS; waitedMs += END_POLL_MS) {
      await this.#clock.sleep(END_POLL_MS);
    }
  }

  close(): void {
    Deno.removeSignalListener("SIGCHLD", this.#onChild);
    this.#reaping.finally(() => this.#libc.close());
  }

  #reap(): Promise<boolean> {
    return this.#reaping = this.#reaping.then(() => this.#reapAll());
  }

  /**
   * Takes note of every child that has ended, but for the one whose end the runtime waits for.
   *
   * @returns whether there are no children left at all
   */
  async #reapAll(): Promise<boolean> {
    const { waitid, waitpid } = this.#libc.symbols;
    const info = new Uint8Array(SIGINFO_BYTES);
    const view = new DataView(info.buffer);
    for (;;) {
      info.fill(0);
      if (await waitid(P_ALL, 0, info, WEXITED | WNOHANG | WNOWAIT) !== 0) return true;
      const pid = view.getInt32(SIGINFO_PID_AT, true);
      if (pid === 0 || pid === this.#main) return false;
      await waitpid(pid, null, WNOHANG);
    }
  }
}

/**
 * Takes over the duties of process 1, where this is it; see {@linkcode Reaper}.
 *
 * @param main the process that the runtime itself waits for
 * @returns null in any other process, and where the C library cannot be called
 */
export function openReaper(main: number, clock: Clock): Reaper | null {
  if (Deno.pid !== 1) return null;
  try {
    return new InitProcess(Deno.dlopen("libc.so.6", FUNCTIONS), { main, clock });
  } catch {
    return null;
  }
}
