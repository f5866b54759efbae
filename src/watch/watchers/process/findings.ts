/**
 * What the log says of the containers that are seen, each finding once.
 * @module
 */
import type { Log } from "../../../system/log.ts";
import { nameContainer } from "../../proc/describe.ts";
import { mainOf, type WatchState } from "../../proc/poll.ts";

/** Tells what is new in a state. */
export class Findings {
  readonly #log: Log;
  /** Containers that were named. */
  readonly #told = new Set<string>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Tells containers that came, who main is, and what is doubtful about that. */
  tell(before: WatchState, state: WatchState): void {
    for (const container of state.containers.values()) {
      if (this.#told.has(container.id) || container.evidence === null) continue;
      this.#told.add(container.id);
      const { sharesVolume, isCopilot } = container.evidence;
      this.#log.info("container seen", { container: nameContainer(container), sharesVolume, isCopilot });
    }
    const main = mainOf(state);
    if (main === null) return;
    const container = nameContainer(main);
    if (before.main?.id !== main.id) {
      this.#log.info("main container found", { container, by: state.main!.by });
    }
    if (before.rival === null && state.rival !== null) this.#tellRival(state, container);
    const wasOver = mainOf(before)?.end?.isComplete === true;
    if (main.end?.isComplete && !wasOver && state.phase === "running" && state.rival === null) {
      this.#log.info("this container may have been an init container: another, or SIGTERM, is waited for", {
        container,
      });
    }
  }

  #tellRival({ containers, rival }: WatchState, container: string): void {
    const other = containers.get(rival!);
    this.#log.warning(
      `two containers mount the output volume, ${container} and ${
        other === undefined ? rival : nameContainer(other)
      }: the end of both is waited for; --watch-container NAME says which is main`,
    );
  }
}
