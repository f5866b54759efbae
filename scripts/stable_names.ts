/**
 * Names for a bundle's chunks that follow from the program alone. The bundler's own hold a hash of where the sources lie, and files
 * carry the time of the build: both would make two builds of one commit differ.
 * @module
 */
/** A chunk as the bundler names it: `app-ABHZSAPO.js`. */
const CHUNK = /[\w.-]+-[A-Z0-9]{8}\.js/g;

/** Chunks in the order in which the entry points, and then the chunks themselves, name them. */
function chunksInOrder(directory: string, entries: readonly string[]): string[] {
  const chunks = new Set([...Deno.readDirSync(directory)].map(({ name }) => name).filter(isChunk));
  const found = new Set<string>();
  const visit = (path: string) => {
    for (const [name] of Deno.readTextFileSync(`${directory}/${path}`).matchAll(CHUNK)) {
      if (!chunks.has(name) || found.has(name)) continue;
      found.add(name);
      visit(name);
    }
  };
  for (const entry of entries) visit(entry);
  const left = [...chunks.difference(found)];
  if (left.length > 0) throw new Error(`Cannot name ${left.join(", ")}: nothing in the bundle imports it`);
  return [...found];
}

function isChunk(name: string): boolean {
  return name.replace(CHUNK, "") === "";
}

/**
 * Renames every chunk of a bundle to its place in the order of imports: `app-1.js`, `chunk-2.js`.
 *
 * @param directory holds the chunks, and the entry points at their own paths
 * @param entries paths of the entry points, relative to the directory
 * @throws Error for a chunk that nothing imports
 */
export function renameChunks(directory: string, entries: readonly string[]): void {
  const names = new Map(
    chunksInOrder(directory, entries).map((name, index) =>
      [name, name.replace(/[A-Z0-9]{8}\.js$/, `${index + 1}.js`)] as const
    ),
  );
  for (const path of [...entries, ...names.keys()]) {
    const text = Deno.readTextFileSync(`${directory}/${path}`);
    Deno.writeTextFileSync(`${directory}/${path}`, text.replace(CHUNK, (name) => names.get(name) ?? name));
  }
  for (const [from, to] of names) Deno.renameSync(`${directory}/${from}`, `${directory}/${to}`);
}

/** Gives every file below a directory one time: the compiler writes it into the executable. */
export function clearTimes(directory: string): void {
  for (const { name, isDirectory } of Deno.readDirSync(directory)) {
    const path = `${directory}/${name}`;
    if (isDirectory) clearTimes(path);
    Deno.utimeSync(path, 0, 0);
  }
}
