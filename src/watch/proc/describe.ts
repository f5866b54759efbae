/**
 * What has been seen, in words for the person who has to mend it.
 * @module
 */
import { candidates, type Rules, sharers } from "./choose.ts";
import type { Container } from "./containers.ts";
import type { WatchState } from "./poll.ts";

/** `"main" (id 0123456789ab, program sh)`, as far as it is known. */
export function nameContainer({ id, evidence, program }: Container): string {
  const name = evidence?.name === null || evidence === null ? "" : `"${evidence.name}" `;
  return `${name}(id ${id.slice(0, 12)}, program "${printable(program)}")`;
}

/** A program's name is whatever the program says. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?");
}

/**
 * One line: the containers seen, why none of them was taken for main, and what would help.
 */
export function describeState(state: WatchState, rules: Rules): string {
  const seen = candidates(state.containers.values(), rules);
  const list = seen.length === 0
    ? "no other container was seen"
    : `containers seen: ${
      seen.map((one) => nameContainer(one) + (one.end === null ? "" : " ended")).join(", ")
    }`;
  if (state.main !== null) {
    const main = state.containers.get(state.main.id);
    return main === undefined
      ? list
      : `main is ${nameContainer(main)}, found by its ${SIGNS[state.main.by]}, ${state.phase}`;
  }
  return [list, ...reason(state, seen, rules)].join("; ");
}

const SIGNS = { id: "id", name: "name", volume: "volume", only: "being the only one" } as const;

function reason(state: WatchState, seen: readonly Container[], rules: Rules): string[] {
  if (rules.containerId !== null) {
    return [`none has the id "${rules.containerId}" alone (--watch-container-id)`];
  }
  if (rules.name !== null) {
    const named = seen.some(({ evidence }) => evidence !== null && evidence.name !== null);
    if (named || seen.length === 0) return [`none is named "${rules.name}" (--watch-container)`];
    return [
      `none shows its name, which kubelet's mount of /dev/termination-log would; ` +
      `expected --watch-container-id in place of --watch-container`,
    ];
  }
  if (seen.length === 0) return [];
  const sharing = sharers(state.containers.values(), rules);
  if (sharing.length > 1) {
    return ["more than one mounts the output volume; --watch-container NAME says which is main"];
  }
  if (sharing.length === 0 && rules.isVolume) {
    return ["none mounts the output volume; --watch-container NAME says which is main"];
  }
  return seen.length > 1 ? ["--watch-container NAME says which is main"] : [];
}
