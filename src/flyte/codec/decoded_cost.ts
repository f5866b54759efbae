/**
 * What the fields of a message add to its cost once decoded; `decodedCost` of idl.ts says what that is.
 * @module
 */
import { type Plan, type PlannedField, planOf } from "./message_tables.ts";

const [LITERAL, SCALAR, PRIMITIVE] = [planOf("Literal"), planOf("Scalar"), planOf("Primitive")];

/**
 * What a field adds, without what is in it.
 *
 * @param plan of the message that it is in
 * @param field undefined for one that nobody knows
 */
export function fieldCost(plan: Plan, field: PlannedField | undefined): number {
  if (field === undefined) return 3;
  const { entry, message } = field;
  // These prevent the compact form.
  const besides = plan === LITERAL && field.oneof === undefined ? 2 : 0;
  if (entry !== undefined) return besides + 1;
  if (message === undefined || message === SCALAR || message === PRIMITIVE) return besides;
  return message === LITERAL ? 1 : 2;
}
