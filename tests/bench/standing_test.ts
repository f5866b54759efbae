import assert from "assert";
import type { CaseResult, Cost } from "../../bench/report.ts";
import { standing } from "../../bench/standing.ts";

function cost(wall: number, cpu: number, rss = 90): Cost {
  return { wall, cpu, rss, failure: "" };
}

function result(variant: string, name: string, costs: Record<string, Cost[]>): CaseResult {
  const what = { scale: 1, date: "2026-01-01", server: "s", versions: {}, files: 1, bytes: 2 ** 30 };
  return { ...what, variant, name, costs };
}

/** The cells of the one row. */
function row(only: CaseResult): string[] {
  const rows = standing([only]).filter((line) => line.startsWith("|")).slice(2);
  assert.equal(rows.length, 1);
  return rows[0]!.split("|").map((cell) => cell.trim()).slice(1, -1);
}

Deno.test("bench standing: contestants stand in their order, by time and by CPU, and who failed stands nowhere", () => {
  const killed = { ...cost(1, 1), failure: "killed" };
  const costs = { copilot: [cost(2, 1)], s5cmd: [cost(1, 3)], rclone: [killed] };
  const [, title, , wall, cpu, peak, aim] = row(result("plain", "big-down", costs));
  assert.equal(title, "1 file of 1 GiB, down");
  assert.equal(wall, "s5cmd 1.0, **copilot 2.0**");
  assert.equal(cpu, "**copilot 1.0**, s5cmd 3.0");
  assert.equal(peak, "90");
  assert.equal(aim, "");
});

Deno.test("bench standing: an aim that is missed, a peak that is passed and an aim that was not measured are told", () => {
  const missed = row(result("tls", "big-down", { copilot: [cost(1, 1.2, 111)], s5cmd: [cost(1, 1)] }));
  assert.equal(missed[5], "111, **above 110**");
  assert.equal(missed[6], "CPU at most 1.15 of s5cmd's: 1.20, **missed**");
  const met = row(result("tls", "big-down", { copilot: [cost(1, 1.1)], s5cmd: [cost(1, 1)] }));
  assert.equal(met[6], "CPU at most 1.15 of s5cmd's: 1.10");
  const alone = row(result("tls", "big-down", { copilot: [cost(1, 1)], rclone: [cost(1, 1)] }));
  assert.equal(alone[6], "CPU at most 1.15 of s5cmd's: not measured");
});

Deno.test("bench standing: the floor is an aim and no contestant", () => {
  const costs = { copilot: [cost(0.1, 0.15)], floor: [cost(0.05, 0.1)] };
  const [, , , wall, , , aim] = row(result("plain", "tiny-down", costs));
  assert.equal(wall, "**copilot 0.10**");
  assert.equal(aim, "CPU at most 1.4 of floor's: 1.50, **missed**");
});

Deno.test("bench standing: nobody to compare with is no section", () => {
  assert.deepEqual(standing([result("plain", "big-down", { copilot: [cost(1, 1)] })]), []);
});
