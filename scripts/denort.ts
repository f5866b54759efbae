/**
 * The runtime that `deno compile` embeds, where Deno's own download is out of reach.
 *
 * A published Python wheel carries a program made by `deno compile` of the same Deno version; the ELF image at its start is
 * the runtime, byte for byte. It comes through pip, so through whatever package mirror the user has, and is checked by hash.
 * @module
 */

/** The only Deno version that the wheel's runtime fits. */
export const DENO_VERSION = "2.7.14";

const WHEEL = "bids-validator-deno==3.0.0a0";
const PROGRAM = "bids-validator-deno";

interface Runtime {
  /** pip's name of the platform. */
  platform: string;
  /** Of the ELF image. */
  sha256: string;
}

/** Targets that can be compiled for. */
export const RUNTIMES: Readonly<Record<string, Runtime>> = {
  "x86_64-unknown-linux-gnu": {
    platform: "manylinux_2_28_x86_64",
    sha256: "44fa11ae44592891a07ecc3967cdb091ae316a947d60929415d26dedbb8f55b7",
  },
  "aarch64-unknown-linux-gnu": {
    platform: "manylinux_2_28_aarch64",
    sha256: "0d8efb0267594b14f4cb073f8813c456b283debf467cd36cd9e01db7eaf174f7",
  },
};

/**
 * Length of the ELF image at the start of a file, in bytes: the section headers are its end, what follows was appended.
 *
 * @throws Error when the bytes are no little-endian 64-bit ELF file or the image is longer than they are
 */
export function elfImageLength(bytes: Uint8Array): number {
  const magic = [0x7f, 0x45, 0x4c, 0x46, 2, 1];
  if (bytes.length < 64 || magic.some((byte, index) => bytes[index] !== byte)) {
    throw new Error("Cannot read ELF header: not a 64-bit little-endian ELF file");
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Number(view.getBigUint64(0x28, true)) +
    view.getUint16(0x3a, true) * view.getUint16(0x3c, true);
  if (length > bytes.length) {
    throw new Error(`Cannot read ELF image: it ends at ${length}, but the file has ${bytes.length} bytes`);
  }
  return length;
}

/** SHA-256 in lower-case hexadecimal. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

async function run(command: string, args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args, stdout: "null", stderr: "piped" })
    .output();
  if (!success) {
    const lines = new TextDecoder().decode(stderr).trim().split("\n");
    throw new Error(`Cannot run "${command} ${args.slice(0, 3).join(" ")} …": ${lines.at(-1)}`);
  }
}

/** The program out of the wheel, as pip delivers it. */
async function downloadProgram(platform: string): Promise<Uint8Array<ArrayBuffer>> {
  const directory = await Deno.makeTempDir({ prefix: "copilot-denort-" });
  try {
    const only = ["--no-deps", "--only-binary", ":all:", "--platform", platform, "--dest", directory];
    await run("python3", ["-m", "pip", "download", "--quiet", ...only, WHEEL]);
    const unzip = "import glob, sys, zipfile\n" +
      "wheel = zipfile.ZipFile(glob.glob(sys.argv[1] + '/*.whl')[0])\n" +
      "name = next(n for n in wheel.namelist() if n.endswith('/scripts/' + sys.argv[2]))\n" +
      "open(sys.argv[1] + '/program', 'wb').write(wheel.read(name))\n";
    await run("python3", ["-c", unzip, directory, PROGRAM]);
    return await Deno.readFile(`${directory}/program`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function cacheDirectory(): string {
  const base = Deno.env.get("XDG_CACHE_HOME") || `${Deno.env.get("HOME") ?? Deno.cwd()}/.cache`;
  return `${base}/copilot/denort`;
}

/**
 * Path of a verified runtime for `target`, from the cache or from the wheel.
 *
 * @throws Error for a target without a known runtime, another Deno version, a failed download or a wrong hash
 */
export async function denortFromWheel(target: string): Promise<string> {
  const runtime = RUNTIMES[target];
  if (runtime === undefined) {
    throw new Error(
      `Cannot get the runtime for "${target}": expected one of ${Object.keys(RUNTIMES).join(", ")}`,
    );
  }
  if (Deno.version.deno !== DENO_VERSION) {
    throw new Error(
      `Cannot use the wheel's runtime with Deno ${Deno.version.deno}: it is that of Deno ${DENO_VERSION}`,
    );
  }
  const directory = cacheDirectory();
  const path = `${directory}/denort-${DENO_VERSION}-${target}`;
  const cached = await Deno.readFile(path).catch(() => null);
  if (cached !== null && await sha256(cached) === runtime.sha256) return path;
  const program = await downloadProgram(runtime.platform);
  const image = program.subarray(0, elfImageLength(program));
  const found = await sha256(image);
  if (found !== runtime.sha256) {
    throw new Error(
      `Cannot trust the runtime in ${WHEEL}: its SHA-256 is ${found}, expected ${runtime.sha256}`,
    );
  }
  await Deno.mkdir(directory, { recursive: true });
  // Renamed into place, so that two builds at once never see half a file.
  const temporary = `${path}.${Deno.pid}`;
  await Deno.writeFile(temporary, image, { mode: 0o755 });
  await Deno.rename(temporary, path);
  return path;
}
