/**
 * Whether the bytes that came are the object's, judged over all the times that one object is fetched.
 *
 * A checksum that the store declares is believed. An ETag of 32 hexadecimal digits is only a guess: often it is the MD5 of the
 * bytes, and with customer keys, some key services and many gateways it is not. Damage on the way differs from one fetch to the
 * next, so bytes that come twice the same are the store's own; they are accepted with a warning unless a checksum that is no guess
 * contradicts them. A declared checksum that is wrong while the ETag is the right MD5 (MinIO makes such copies of compressed
 * objects) is overruled in the same way.
 * @module
 */
import { cannot, type CopilotError } from "../errors.ts";
import { shownUri } from "../text/shown_uri.ts";
import type { Checksum, ChecksumName, ObjectInfo } from "./store.ts";

/** Objects of a store whose ETag was no MD5 after which its ETags are taken for opaque, unless one was right. */
const MAX_WRONG_GUESSES = 3;

/** What is known of one store's ETags. */
export class EtagTrust {
  #hasBeenRight = false;
  #wrong = 0;

  /** Whether an ETag that looks like an MD5 is worth comparing. */
  get isLeft(): boolean {
    return this.#hasBeenRight || this.#wrong < MAX_WRONG_GUESSES;
  }

  /** An ETag was the MD5. */
  right(): void {
    this.#hasBeenRight = true;
  }

  /** An ETag was not the MD5 of bytes that came twice the same. */
  wrong(): void {
    this.#wrong++;
  }
}

/** All the bytes of an object, as they came. */
export interface Received {
  info: ObjectInfo;
  /** The checksum that {@linkcode Verification.wanted} names, of these bytes. */
  hex: string;
  /** Another checksum of the same bytes, in lower-case hexadecimal. */
  digest(name: ChecksumName): Promise<string>;
}

/** What {@linkcode Verification} works with. */
export interface VerificationOptions {
  /** The object's URI as it is. */
  uri: string;
  trust: EtagTrust;
  /** Bytes from which on an MD5 is not compared; Infinity: it always is. */
  skipMd5FromBytes: number;
  /** An MD5 is not compared, and nothing else is there to compare. */
  skipped(): void;
  warn(message: string): void;
}

/** Judges every fetch of one object. */
export class Verification {
  readonly #options: VerificationOptions;
  /** Checksums of the bytes of earlier fetches; null as long as there are none. */
  #seen: Set<string> | null = null;

  constructor(options: VerificationOptions) {
    this.#options = options;
  }

  /** What has to be computed while the bytes come; undefined where nothing can be compared. */
  wanted({ size, checksum, etagMd5 }: ObjectInfo): Checksum | undefined {
    const { trust, skipMd5FromBytes, skipped } = this.#options;
    const known = checksum ??
      (etagMd5 !== undefined && trust.isLeft ? { name: "md5" as const, hex: etagMd5 } : undefined);
    if (known?.name !== "md5" || size < skipMd5FromBytes) return known;
    skipped();
    return undefined;
  }

  /**
   * Judges bytes.
   *
   * @throws CopilotError `integrity` where they may have been damaged: another fetch decides
   */
  async check({ info, hex, digest }: Received): Promise<void> {
    const { uri, trust, warn } = this.#options;
    const { checksum, etagMd5 } = info;
    const expected = checksum ?? { name: "md5" as const, hex: etagMd5 };
    if (hex === expected.hex) {
      if (checksum === undefined) trust.right();
      return;
    }
    const object = shownUri(uri);
    const seen = this.#seen ??= new Set();
    const isRepeated = seen.has(`${expected.name} ${hex}`);
    seen.add(`${expected.name} ${hex}`);
    const says = `its ${expected.name} is ${hex}, the store says ${expected.hex}`;
    if (isRepeated && checksum === undefined) {
      trust.wrong();
      const more = trust.isLeft
        ? ""
        : "; objects of this store that have only an ETag are not compared any more";
      return warn(`"${object}" came twice the same, so its ETag is taken for no MD5: ${says}${more}`);
    }
    if (isRepeated && etagMd5 !== undefined && await digest("md5") === etagMd5) {
      return warn(`"${object}" came twice the same and its ETag is its MD5, so it is accepted: ${says}`);
    }
    throw cannot("read", object, { integrity: says });
  }
}

/** The error for an object of another length than announced. @param object URI */
export function lengthError(object: string, got: number, wanted: number): CopilotError {
  return cannot("read", object, { integrity: `got ${got} bytes, expected ${wanted}` });
}
