/**
 * A value on its way.
 * @module
 */
import type { Release } from "../../../http/body.ts";
import { FixedBody } from "../../../http/body.ts";
import type { Channel } from "../../../http/channel.ts";
import type { ByteReader } from "../../store.ts";
import { readEnd } from "./resp.ts";

/** The bytes of a bulk string, straight into the caller's buffer; the CRLF behind them is passed over. */
export class ValueBody implements ByteReader {
  readonly #channel: Channel;
  readonly #bytes: FixedBody;
  #release: Release | null;
  #bytesAreThere = false;

  constructor(channel: Channel, length: number, release: Release) {
    this.#channel = channel;
    this.#release = release;
    this.#bytesAreThere = length === 0;
    this.#bytes = new FixedBody(channel, length, (isWhole) => this.#bytesAreThere = isWhole);
  }

  async read(into: Uint8Array): Promise<number | null> {
    const count = this.#bytesAreThere ? null : await this.#bytes.read(into);
    if (this.#bytesAreThere && this.#release !== null) await this.#finish();
    return count;
  }

  close(): void {
    this.#bytes.close();
    this.#end(false);
  }

  async #finish(): Promise<void> {
    await readEnd(this.#channel);
    this.#end(true);
  }

  #end(isWhole: boolean): void {
    this.#release?.(isWhole);
    this.#release = null;
  }
}
