/**
 * What an error must be.
 * @module
 */
import assert from "assert";
import { CopilotError, type ErrorCode } from "../../src/errors.ts";

/** For `assert.rejects` and `assert.throws`: a CopilotError of a code whose message has these texts and fits these patterns. */
export function codeIs(code: ErrorCode, ...wanted: (string | RegExp)[]): (error: unknown) => boolean {
  return (error) => {
    assert(error instanceof CopilotError, String(error));
    assert.equal(error.code, code, error.message);
    for (const text of wanted) {
      if (typeof text === "string") assert(error.message.includes(text), error.message);
      else assert.match(error.message, text);
    }
    return true;
  };
}
