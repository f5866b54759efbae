/**
 * Why an output cannot be made of what a task left behind.
 * @module
 */
import { CopilotError } from "../../errors.ts";
import { quoted, subjectOf } from "./names.ts";

/** File names, values and the like that a message lists. */
const SHOWN_ITEMS = 8;

/** Why a type does not take what is there. A union goes on to its next variant; nothing else catches it. */
export class Refusal extends CopilotError {
  constructor(readonly variable: string, fault: string, code: "output" | "unsupported" = "output") {
    super(code, { subject: subjectOf("upload", variable), detail: fault });
  }
}

/** The one of several names that stand for another. */
export function theOnly(candidates: readonly string[], name: string, variable: string): string {
  if (candidates.length === 1) return candidates[0]!;
  throw new Refusal(variable, `${listed(candidates)} all stand for ${quoted(name)}, wanted one of them`);
}

/** Names in quotes, at most a handful. */
export function listed(names: readonly string[]): string {
  const shown = names.slice(0, SHOWN_ITEMS).map(quoted).join(", ");
  return names.length > SHOWN_ITEMS ? `${shown} and ${names.length - SHOWN_ITEMS} more` : shown;
}
