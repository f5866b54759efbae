/**
 * A process of this one's own: started with the terminal, the environment and the streams of this one, and passed every signal.
 * @module
 */
import { CopilotError, from } from "../errors.ts";
import type { Child, ChildLauncher, ChildSpec, SignalName } from "./mod.ts";

/** The signals that are passed on. SIGKILL and SIGSTOP cannot be caught; faults such as SIGSEGV are a process's own. */
const PASSED_ON: readonly SignalName[] = [
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGTERM",
  "SIGUSR1",
  "SIGUSR2",
  "SIGWINCH",
  "SIGCONT",
];

/** What a keyboard sends, it sends to every process in the terminal's foreground, so to the child as well. */
const FROM_KEYBOARD: ReadonlySet<SignalName> = new Set(["SIGINT", "SIGQUIT", "SIGWINCH"]);

/** What ends a process that does not handle it; SIGINT and SIGTERM are counted elsewhere. */
const ENDING: ReadonlySet<SignalName> = new Set(["SIGHUP", "SIGQUIT"]);

/** The place of one child, and the signals that are meant for it. */
class Launcher implements ChildLauncher {
  readonly #passedOn = new Set<SignalName>();
  readonly #remove: (() => void)[];
  #child: Deno.ChildProcess | null = null;

  constructor(onEarlyEnd: (name: SignalName) => void) {
    const hasKeyboard = Deno.stdin.isTerminal();
    this.#remove = PASSED_ON.filter((name) => !(hasKeyboard && FROM_KEYBOARD.has(name))).map((name) => {
      const pass = () => {
        if (this.#child !== null) this.#pass(name, this.#child);
        else if (ENDING.has(name)) onEarlyEnd(name);
      };
      Deno.addSignalListener(name, pass);
      return () => Deno.removeSignalListener(name, pass);
    });
  }

  start({ argv, env, cwd }: ChildSpec): Child {
    const [program, ...args] = argv as [string, ...string[]];
    let child: Deno.ChildProcess;
    try {
      child = new Deno.Command(program, {
        args,
        env: { ...env },
        ...(cwd === undefined ? {} : { cwd }),
        stdin: "inherit",
        stdout: "inherit",
        stderr: "inherit",
      }).spawn();
    } catch (thrown) {
      throw notStarted(program, thrown);
    }
    this.#child = child;
    const ended = child.status.then(({ code, signal }) => ({ code, signal, passedOn: this.#passedOn }));
    return { pid: child.pid, ended: ended.finally(() => this.#child = null) };
  }

  close(): void {
    for (const remove of this.#remove) remove();
  }

  #pass(name: SignalName, child: Deno.ChildProcess): void {
    this.#passedOn.add(name);
    try {
      child.kill(name);
    } catch { /* it has ended meanwhile */ }
  }
}

function notStarted(program: string, thrown: unknown): CopilotError {
  const { code, message } = from(thrown, { fallback: "io" });
  const detail = code === "not-found"
    ? "no such program, expected a path or a name on PATH whose interpreter exists"
    : code === "denied"
    ? "it may not be executed, expected a program with the permission to execute"
    : message;
  return new CopilotError(code, { action: "start", object: program, detail, cause: thrown });
}

/**
 * Takes the signals of this process for a child. They are taken before it is started: one that came in between would end this
 * process, or be lost.
 *
 * @param onEarlyEnd called for a signal that means the end, and that nobody else counts, while there is no child
 */
export function openLauncher(onEarlyEnd: (name: SignalName) => void): ChildLauncher {
  return new Launcher(onEarlyEnd);
}
