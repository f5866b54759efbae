import assert from "assert";
import { svg } from "../../bench/plot.ts";
import { type CaseResult, caseTitle, type Cost, inOrder, markdown } from "../../bench/report.ts";

const good: Cost = { wall: 1, cpu: 1, rss: 90, failure: "" };
const killed: Cost = { wall: 1, cpu: 1, rss: 90, failure: "killed" };

function result(variant: string, name: string, peer: Cost = good): CaseResult {
  const [files, bytes] = name.startsWith("many") ? [5000, 5000 * 16 * 1024] : [1, 2 ** 30];
  const common = { scale: 1, date: "2026-01-01", server: "s", versions: {} };
  return { ...common, variant, name, files, bytes, costs: { copilot: [good], peer: [peer] } };
}

const RESULTS = [
  result("plain", "big-up"),
  result("plain", "many-down"),
  result("limits", "big-down", killed),
];
const MACHINE = { cpu: "c", cores: 2, memoryGib: 1, kernel: "k" };

Deno.test("bench plot: the order is the table's: a pod's limits first, what people have before what is rare", () => {
  assert.deepEqual(inOrder(RESULTS).map(({ variant, name }) => `${variant} ${name}`), [
    "limits big-down",
    "plain many-down",
    "plain big-up",
  ]);
  const titles = inOrder(RESULTS).map(caseTitle);
  assert.deepEqual(titles, ["1 file of 1 GiB, down", "5,000 files of 16 KiB, down", "1 file of 1 GiB, up"]);
  for (const text of [svg(RESULTS), markdown(RESULTS, MACHINE)]) {
    const places = titles.map((title) => text.indexOf(title));
    assert(places.every((place) => place > 0), text);
    assert.deepEqual(places, [...places].sort((a, b) => a - b));
  }
});

Deno.test("bench plot: a killed run is marked and has no bar", () => {
  const bars = (results: CaseResult[]) => svg(results).match(/height="9"/g)!.length;
  assert.equal(bars([result("limits", "big-down")]), 4);
  assert.equal(bars([result("limits", "big-down", killed)]), 2);
  assert.equal(svg([result("limits", "big-down", killed)]).match(/class="failed">✕ killed/g)!.length, 2);
});
