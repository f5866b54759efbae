/**
 * As much XML as the clouds' replies are made of: elements and text. Names, attributes and declarations mean nothing here, and no
 * entity is defined by a document, so that none can grow.
 * @module
 */

/** Deeper than any reply. */
const MAX_DEPTH = 16;

const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };

/** An element that has ended. */
export type OnElement = (name: string, parent: string, text: string) => void;

/** Replaces references to characters; any other one stays as it is. */
export function decodeEntities(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(
    /&(?:(lt|gt|quot|apos|amp)|#([0-9]{1,7})|#x([0-9a-fA-F]{1,6}));/g,
    (whole, entity?: string, decimal?: string, hex?: string) => {
      if (entity !== undefined) return ENTITIES[entity]!;
      const code = decimal === undefined ? parseInt(hex!, 16) : Number(decimal);
      return code > 0x10ffff ? whole : String.fromCodePoint(code);
    },
  );
}

/** Text that may stand between tags. */
export function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

/**
 * Reads a document from its first to its last tag, and tells of every element when it ends: its name, its parent's (empty for
 * the root), and the text directly in it.
 *
 * @returns the root's name
 * @throws Error for anything that is not one whole element
 */
export function readXml(xml: string, onElement: OnElement): string {
  const reader = new Reader(xml, onElement);
  while (reader.next());
  return reader.root;
}

class Reader {
  readonly #xml: string;
  readonly #onElement: OnElement;
  readonly #open: string[] = [];
  #text = "";
  #at = 0;
  root = "";

  constructor(xml: string, onElement: OnElement) {
    this.#xml = xml;
    this.#onElement = onElement;
  }

  /** Takes the text up to the next tag, and the tag; false at the end. */
  next(): boolean {
    const xml = this.#xml;
    const start = xml.indexOf("<", this.#at);
    if (start < 0) {
      if (this.root === "" || this.#open.length > 0) throw new Error("the XML ends early");
      return false;
    }
    if (start > this.#at) this.#text += decodeEntities(xml.slice(this.#at, start));
    const second = xml.charCodeAt(start + 1);
    if (second === 47) this.#close(this.#until(">", start + 2));
    else if (second === 63) this.#until("?>", start + 2);
    else if (second === 33) this.#special(start);
    else this.#start(this.#until(">", start + 1));
    return true;
  }

  /** The text up to `end`, which is passed. */
  #until(end: string, from: number): string {
    const stop = this.#xml.indexOf(end, from);
    if (stop < 0) throw new Error("the XML ends in a tag");
    this.#at = stop + end.length;
    return this.#xml.slice(from, stop);
  }

  #special(start: number): void {
    if (this.#xml.startsWith("<!--", start)) this.#until("-->", start + 4);
    else if (this.#xml.startsWith("<![CDATA[", start)) this.#text += this.#until("]]>", start + 9);
    else throw new Error("the XML has a document type");
  }

  #start(tag: string): void {
    const isEmpty = tag.endsWith("/");
    const name = /^[^\s/]+/.exec(tag)?.[0];
    if (name === undefined) throw new Error("the XML has a tag without a name");
    if (this.#open.length === MAX_DEPTH) throw new Error("the XML is too deep");
    if (this.#open.length === 0) {
      if (this.root !== "") throw new Error("the XML has two roots");
      this.root = name;
    }
    this.#open.push(name);
    this.#text = "";
    if (isEmpty) this.#close(name);
  }

  #close(tag: string): void {
    const name = this.#open.pop();
    if (name === undefined || name !== tag.trimEnd()) {
      throw new Error(`the XML closes ${tag.slice(0, 40)} unopened`);
    }
    this.#onElement(name, this.#open.at(-1) ?? "", this.#text);
    this.#text = "";
  }
}
