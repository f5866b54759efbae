/**
 * Handles on the first processes of the containers that may be main, from the moment they show: so the kernel tells main's end,
 * and how it ended, also of a main that is gone before it is known to be main.
 * @module
 */
import type { ProcessHandle } from "../../../system/mod.ts";
import type { Container } from "../../proc/containers.ts";

/** More containers than a pod has; each handle is a descriptor. */
const MAX_HELD = 32;

/** How one is opened: null where that cannot be done, or where the process is another one by then. */
export type OpenHandle = (container: Container) => Promise<ProcessHandle | null>;

/** The handles, by their containers' ids. */
export class HeldProcesses {
  readonly #open: OpenHandle;
  /** Null where it could not be opened, which is not tried again. */
  readonly #handles = new Map<string, ProcessHandle | null>();
  #isClosed = false;

  constructor(open: OpenHandle) {
    this.#open = open;
  }

  /** The handle on a container's first process, null where there is none. */
  of(id: string): ProcessHandle | null {
    return this.#handles.get(id) ?? null;
  }

  /** Holds those that still run besides those that are held already. */
  async add(containers: readonly Container[]): Promise<void> {
    for (const container of containers) {
      if (container.end !== null || this.#handles.has(container.id) || this.#handles.size >= MAX_HELD) {
        continue;
      }
      this.#handles.set(container.id, null);
      const handle = await this.#open(container);
      if (this.#isClosed) handle?.close();
      else this.#handles.set(container.id, handle);
    }
  }

  /** Lets go of all but one. */
  keepOnly(id: string): void {
    for (const [other, handle] of this.#handles) {
      if (other === id) continue;
      handle?.close();
      this.#handles.delete(other);
    }
  }

  /** Idempotent. */
  close(): void {
    this.#isClosed = true;
    for (const handle of this.#handles.values()) handle?.close();
    this.#handles.clear();
  }
}
