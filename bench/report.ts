/**
 * Results as a table. Runs are merged by variant and case, so that a table can be made in several sittings.
 * @module
 */

/** What one run cost. */
export interface Cost {
  wall: number;
  cpu: number;
  /** MiB. */
  rss: number;
  /** Why it does not count; empty where all is well. */
  failure: string;
}

/** The rounds of one case. */
export interface CaseResult {
  variant: string;
  /** `big-down`. */
  name: string;
  /** Bytes that the case moves. */
  bytes: number;
  files: number;
  scale: number;
  date: string;
  server: string;
  /** By contestant. */
  versions: Record<string, string>;
  /** By contestant, a cost for each round. */
  costs: Record<string, Cost[]>;
}

/** A run's surroundings. */
export interface Machine {
  cpu: string;
  cores: number;
  memoryGib: number;
  kernel: string;
}

/** The middle value; the mean of both for an even number. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** The median of the rounds' ratios: a round's load is the same for both. Null where either failed. */
export function ratio(result: CaseResult, of: string, to: string, what: "wall" | "cpu"): number | null {
  const [a, b] = [result.costs[of] ?? [], result.costs[to] ?? []];
  const ratios = a.flatMap((cost, i) =>
    cost.failure === "" && b[i]?.failure === "" ? [cost[what] / b[i]![what]] : []
  );
  return ratios.length === 0 ? null : median(ratios);
}

/** A number with as many digits as it is known to. */
export function figure(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toPrecision(2);
}

function cell(costs: readonly Cost[] | undefined): string {
  if (costs === undefined || costs.length === 0) return "";
  const good = costs.filter(({ failure }) => failure === "");
  if (good.length === 0) return `**${costs[0]!.failure}**`;
  const [wall, cpu] = [median(good.map((cost) => cost.wall)), median(good.map((cost) => cost.cpu))];
  const note = good.length < costs.length ? ` (${costs.length - good.length} of ${costs.length} failed)` : "";
  return `${figure(wall)} · ${figure(cpu)} · ${Math.max(...good.map((cost) => cost.rss)).toFixed(0)}${note}`;
}

/** Gigabytes per CPU second, and the same in thousandths per MiB of memory. */
function economy({ bytes, costs }: CaseResult, contestant: string): string {
  const good = (costs[contestant] ?? []).filter(({ failure }) => failure === "");
  if (good.length === 0 || bytes < 1e6) return "";
  const [cpu, rss] = [median(good.map((cost) => cost.cpu)), Math.max(...good.map((cost) => cost.rss))];
  return `${figure(bytes / 1e9 / cpu)} · ${figure(bytes / 1e6 / cpu / rss)}`;
}

/** The surroundings that a case can be measured in, in the order of the table and the plot: a pod's own come first. */
export const TITLES: Readonly<Record<string, string>> = {
  limits: "Inside a cgroup of 128 MiB and half a CPU",
  lat: "20 ms each way and 60 MB/s per connection",
  plain: "Plain HTTP, a server on the same machine",
  tls: "Over TLS, with a private authority",
};

/** Data sets in the order of the table and the plot: what tasks have most, then what shows a bound. */
const SETS = ["many", "big", "mid", "prims", "tiny", "crowd", "swarm", "huge"];

/** Results in the order of the table and the plot; a case's two directions stand together. */
export function inOrder(results: readonly CaseResult[]): CaseResult[] {
  const place = ({ variant, name }: CaseResult) => {
    const [set, direction] = name.split("-");
    return [Object.keys(TITLES).indexOf(variant), SETS.indexOf(set!), direction === "down" ? 0 : 1];
  };
  return results.map((result) => ({ result, at: place(result) }))
    .sort((a, b) => a.at.map((part, i) => part - b.at[i]!).find((difference) => difference !== 0) ?? 0)
    .map(({ result }) => result);
}

/** What a case moves, in words: `5,000 files of 16 KiB, down`. */
export function caseTitle({ name, files, bytes }: CaseResult): string {
  const [set, direction] = name.split("-");
  const count = files.toLocaleString("en");
  if (set === "tiny" || set === "prims") return `${count} integer${files === 1 ? "" : "s"}, ${direction}`;
  return `${count} file${files === 1 ? "" : "s"} of ${size(bytes / files)}, ${direction}`;
}

function size(bytes: number): string {
  for (const [unit, factor] of [["GiB", 2 ** 30], ["MiB", 2 ** 20]] as const) {
    if (bytes >= factor) return `${Math.round(bytes / factor)} ${unit}`;
  }
  return `${Math.round(bytes / 1024)} KiB`;
}

/** A Markdown table. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), `|${" --- |".repeat(head.length)}`, ...rows.map(line)];
}

/** Time, CPU and memory of each, and copilot's ratios to the others. */
function costTable(rows: readonly CaseResult[], names: readonly string[]): string[] {
  const peers = names.filter((name) => name !== "copilot");
  const head = [
    "case",
    "moves",
    ...names,
    ...peers.map((name) => `wall, CPU to ${name}`),
    "rounds, scale, server, date",
  ];
  const cells = rows.map((row) => [
    row.name,
    caseTitle(row),
    ...names.map((name) => cell(row.costs[name])),
    ...peers.map((name) =>
      [ratio(row, "copilot", name, "wall"), ratio(row, "copilot", name, "cpu")]
        .map((value) => value === null ? "–" : value.toFixed(2)).join(", ")
    ),
    `${row.costs.copilot?.length ?? 0}, ${row.scale}, ${row.server}, ${row.date}`,
  ]);
  return table(head, cells);
}

/** What each gets done with a CPU second and a MiB. */
function economyTable(rows: readonly CaseResult[], names: readonly string[]): string[] {
  const cells = rows.map((row) => [row.name, ...names.map((name) => economy(row, name))])
    .filter(([, ...figures]) => figures.some((text) => text !== ""));
  if (cells.length === 0) return [];
  return ["", ECONOMY, "", ...table(["case", ...names], cells)];
}

const ECONOMY = "GB per CPU second · MB per CPU second and MiB of peak RSS; more is better:";

/** Pairs of data sets of which the second is ten or twenty times the first. */
const GROWTH = [["big", "huge"], ["crowd", "swarm"]] as const;

/** Peak memory of jobs that differ in nothing but their size. */
function growthTable(results: readonly CaseResult[], names: readonly string[]): string[] {
  const rows = GROWTH.flatMap(([small, large]) =>
    results.filter(({ name }) => name.startsWith(`${large}-`)).flatMap((more) => {
      const alike = (result: CaseResult) =>
        result.variant === more.variant && result.server === more.server && result.scale === more.scale &&
        result.name === more.name.replace(large, small);
      const less = results.find(alike);
      if (less === undefined) return [];
      const peaks = names.map((name) => [peak(less.costs[name]), peak(more.costs[name])].join(" → "));
      return [[`${less.name} → ${more.name}`, more.variant, ...peaks]];
    })
  );
  if (rows.length === 0) return [];
  const title =
    "Peak RSS in MiB; huge has twenty times the bytes of big, swarm ten times the files of crowd:";
  return [
    "",
    "## Memory against the size of the job",
    "",
    title,
    "",
    ...table(["cases", "variant", ...names], rows),
  ];
}

function peak(costs: readonly Cost[] | undefined): string {
  if (costs === undefined || costs.length === 0) return "–";
  const good = costs.filter(({ failure }) => failure === "");
  return good.length === 0 ? costs[0]!.failure : Math.max(...good.map(({ rss }) => rss)).toFixed(0);
}

function namesIn(results: readonly CaseResult[]): string[] {
  return [...new Set(results.flatMap(({ costs }) => Object.keys(costs)))];
}

/** RESULTS.md. @param standing who is ahead, and why */
export function markdown(
  results: readonly CaseResult[],
  machine: Machine,
  standing: readonly string[] = [],
): string {
  const versions: Record<string, string> = Object.assign({}, ...results.map((result) => result.versions));
  const lines = [
    "# Results",
    "",
    "Written by `deno task bench`; bench/README.md has the method. A cell is wall s · CPU s · peak RSS MiB: medians, for RSS the",
    "largest. A ratio is the median of the rounds' ratios, copilot's to the other's: below 1, copilot is ahead. Use the ratios:",
    "the servers run on the same machine.",
    "",
    `Machine: ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGib} GiB, Linux ${machine.kernel}.`,
    `Versions: ${
      Object.entries(versions).map(([name, version]) => version === "" ? name : `${name} (${version})`).join(
        ", ",
      )
    }.`,
    ...standing,
  ];
  for (const variant of Object.keys(TITLES)) {
    const rows = inOrder(results).filter((result) => result.variant === variant);
    if (rows.length === 0) continue;
    const names = namesIn(rows);
    lines.push("", `## ${TITLES[variant]}`, "", ...costTable(rows, names), ...economyTable(rows, names));
  }
  return `${[...lines, ...growthTable(results, namesIn(results))].join("\n")}\n`;
}
