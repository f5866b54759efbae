/**
 * Results as a table and a plot. Runs are merged by variant and case, so that a table can be made in several sittings.
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

function figure(value: number): string {
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

const TITLES: Readonly<Record<string, string>> = {
  plain: "Plain HTTP, a server on the same machine",
  lat: "20 ms each way and 60 MB/s per connection",
  tls: "Over TLS, with a private authority",
  limits: "Inside a cgroup of 128 MiB and half a CPU",
};

/** A Markdown table. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), `|${" --- |".repeat(head.length)}`, ...rows.map(line)];
}

/** Time, CPU and memory of each, and copilot's ratios to the others. */
function costTable(rows: readonly CaseResult[], names: readonly string[]): string[] {
  const peers = names.filter((name) => name !== "copilot");
  const head = [
    "case",
    ...names,
    ...peers.map((name) => `wall, CPU to ${name}`),
    "rounds, scale, server, date",
  ];
  const cells = rows.map((row) => [
    row.name,
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

/** RESULTS.md. */
export function markdown(results: readonly CaseResult[], machine: Machine): string {
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
  ];
  for (const variant of Object.keys(TITLES)) {
    const rows = results.filter((result) => result.variant === variant);
    if (rows.length === 0) continue;
    const names = namesIn(rows);
    lines.push("", `## ${TITLES[variant]}`, "", ...costTable(rows, names), ...economyTable(rows, names));
  }
  return `${[...lines, ...growthTable(results, namesIn(results))].join("\n")}\n`;
}

const COLOURS: Readonly<Record<string, string>> = {
  "copilot": "#0b6e4f",
  "s5cmd": "#8d99ae",
  "rclone": "#c9ada7",
  "aws": "#e0c097",
  "go copilot": "#5c677d",
};

interface Panel {
  title: string;
  x: number;
  /** The length of a bar that reaches the panel's end. */
  full: number;
  value(cost: Cost): number;
  /** A line that bars should not pass. */
  mark?: number;
}

/** The plot: wall time relative to the fastest, and peak memory, of the cases with more than copilot in them. */
export function svg(results: readonly CaseResult[]): string {
  const rows = results.filter(({ costs }) => Object.keys(costs).length > 1);
  const parts: string[] = [];
  let y = 70;
  for (const row of rows) {
    const bars = Object.entries(row.costs).map(([name, costs]) => ({
      name,
      good: costs.filter((cost) => cost.failure === ""),
    }))
      .filter(({ good }) => good.length > 0);
    const slowest = Math.max(...bars.map(({ good }) => median(good.map((cost) => cost.wall))));
    const panels: Panel[] = [
      { title: "wall", x: 150, full: slowest, value: (cost) => cost.wall },
      { title: "rss", x: 470, full: 200, value: (cost) => cost.rss, mark: 128 },
    ];
    parts.push(`<text x="10" y="${y + 6 * bars.length + 2}">${row.name} (${row.variant})</text>`);
    for (const [i, { name, good }] of bars.entries()) {
      for (const panel of panels) {
        const value = median(good.map(panel.value));
        const width = 240 * Math.min(1, value / panel.full);
        const top = y + i * 12;
        parts.push(
          `<rect x="${panel.x}" y="${top}" width="${width.toFixed(1)}" height="9" fill="${
            COLOURS[name] ?? "#999"
          }"/>`,
          `<text x="${(panel.x + width + 4).toFixed(1)}" y="${top + 8}" class="value">${
            figure(value)
          }</text>`,
        );
      }
    }
    y += bars.length * 12 + 14;
  }
  const names = [...new Set(rows.flatMap(({ costs }) => Object.keys(costs)))];
  const legend = names.map((name, i) =>
    `<rect x="${10 + i * 110}" y="12" width="10" height="10" fill="${COLOURS[name] ?? "#999"}"/>` +
    `<text x="${24 + i * 110}" y="21">${name}</text>`
  );
  const limit = 470 + 240 * 128 / 200;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="760" height="${y}" viewBox="0 0 760 ${y}" font-family="sans-serif" font-size="11">`,
    `<style>text{fill:#333}.value{font-size:9px;fill:#666}</style><rect width="760" height="${y}" fill="#fff"/>`,
    ...legend,
    `<text x="150" y="52">wall time, s (each case to its slowest)</text><text x="470" y="52">peak RSS, MiB (line: 128)</text>`,
    `<line x1="${limit}" y1="58" x2="${limit}" y2="${y - 8}" stroke="#c1121f" stroke-dasharray="3 3"/>`,
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}
