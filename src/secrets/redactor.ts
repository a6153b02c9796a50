/**
 * Takes the values of secrets out of what effects bring back: whatever a service echoes, the VM, the journal and the history get
 * `[secret NAME]`. A value is found as it is and in the forms that services usually write it in; one that a service turns into
 * something else (reversed, in pieces) is not, which is why a secret is bound to the hosts that may know it.
 */
import { secretSizeMin } from './limits.ts';
import type { Secret } from './port.ts';

interface Form {
  text: string;
  replacement: string;
}

/** Texts are searched for the beginnings of forms, of this length, first. */
const headSize = secretSizeMin;

export class Redactor {
  readonly #secrets: readonly Secret[];
  readonly #forms = new Map<string, Form[]>();
  readonly #heads: RegExp | null;

  constructor(secrets: readonly Secret[]) {
    this.#secrets = secrets;
    const byText = new Map<string, Form>();
    for (const secret of secrets) for (const form of formsOf(secret)) byText.set(form.text, form);
    // The longest first: of two that begin alike the longer one is what was meant.
    for (const form of [...byText.values()].sort((left, right) => right.text.length - left.text.length)) {
      const head = form.text.slice(0, headSize);
      const known = this.#forms.get(head);
      if (known === undefined) this.#forms.set(head, [form]);
      else known.push(form);
    }
    const heads = [...this.#forms.keys()].sort().map((head) => RegExp.escape(head));
    this.#heads = heads.length === 0 ? null : new RegExp(heads.join('|'), 'g');
  }

  /** The text without values; the same text when there are none. One pass. */
  text(text: string): string {
    const heads = this.#heads;
    if (heads === null) return text;
    let redacted = '';
    let taken = 0;
    heads.lastIndex = 0;
    for (let found = heads.exec(text); found !== null; found = heads.exec(text)) {
      const at = found.index;
      const form = this.#forms.get(found[0])?.find((candidate) => text.startsWith(candidate.text, at));
      if (form === undefined) {
        heads.lastIndex = at + 1;
        continue;
      }
      redacted += text.slice(taken, at) + form.replacement;
      taken = at + form.text.length;
      heads.lastIndex = taken;
    }
    return taken === 0 ? text : redacted + text.slice(taken);
  }

  holdsValue(text: string): boolean {
    return this.text(text) !== text;
  }

  /** For bytes in pieces: what could be the beginning of a value waits for the next piece. */
  stream(): StreamRedactor {
    return new StreamRedactor(this.#secrets.flatMap((secret) => [...formsOf(secret)]));
  }

  /**
   * JSON text without values, which is valid JSON again: a value inside of a string, of a key or of a number. Keys of the outermost
   * object are the effect's own.
   */
  json(json: string): string {
    if (this.#heads === null) return json;
    const value = JSON.parse(json) as unknown;
    const redacted = this.#value(value, true);
    return redacted === value ? json : JSON.stringify(redacted);
  }

  /** The same value when nothing of it changes. */
  #value(value: unknown, isOutermost = false): unknown {
    if (typeof value === 'string') return this.text(value);
    if (typeof value === 'number') {
      const text = String(value);
      const redacted = this.text(text);
      return redacted === text ? value : redacted;
    }
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) {
      const items = value.map((item) => this.#value(item));
      return items.some((item, index) => item !== value[index]) ? items : value;
    }
    let isChanged = false;
    const entries = Object.entries(value).map(([key, item]): [string, unknown] => {
      const newKey = isOutermost ? key : this.text(key);
      const newItem = this.#value(item);
      if (newKey !== key || newItem !== item) isChanged = true;
      return [newKey, newItem];
    });
    return isChanged ? Object.fromEntries(entries) : value;
  }
}

/** As the redactor of texts, for the UTF-8 of forms in bytes of any kind. */
class StreamRedactor {
  readonly #forms = new Map<string, Form[]>();
  readonly #heads: RegExp;
  readonly #heldSize: number;
  #held = '';

  constructor(forms: readonly Form[]) {
    // Each character is a byte.
    const ofBytes = forms.map(({ text, replacement }) => ({
      text: Buffer.from(text).toString('latin1'),
      replacement,
    }));
    for (const form of ofBytes.sort((left, right) => right.text.length - left.text.length)) {
      const head = form.text.slice(0, headSize);
      this.#forms.set(head, [...(this.#forms.get(head) ?? []), form]);
    }
    this.#heads = new RegExp([...this.#forms.keys()].map((head) => RegExp.escape(head)).join('|'), 'g');
    this.#heldSize = Math.max(0, ...ofBytes.map(({ text }) => text.length - 1));
  }

  push(piece: Uint8Array): Buffer {
    const text = this.#held + Buffer.from(piece).toString('latin1');
    return this.#redact(text, text.length - this.#heldSize);
  }

  end(): Buffer {
    return this.#redact(this.#held, this.#held.length);
  }

  /** Decides on what begins before `until`, and holds the rest. */
  #redact(text: string, until: number): Buffer {
    const heads = this.#heads;
    let redacted = '';
    let taken = 0;
    heads.lastIndex = 0;
    for (let found = heads.exec(text); found !== null && found.index < until; found = heads.exec(text)) {
      const at = found.index;
      const form = this.#forms.get(found[0])?.find((candidate) => text.startsWith(candidate.text, at));
      heads.lastIndex = form === undefined ? at + 1 : at + form.text.length;
      if (form === undefined) continue;
      redacted += text.slice(taken, at) + form.replacement;
      taken = heads.lastIndex;
    }
    const end = Math.max(taken, until);
    this.#held = text.slice(end);
    return Buffer.from(redacted + text.slice(taken, end), 'latin1');
  }
}

function* formsOf({ name, value }: Secret): Generator<Form> {
  const replacement = `[secret ${name}]`;
  const plain = new Set([value, value.trim()]);
  for (const text of [value, value.trim()]) {
    plain.add(encodeURIComponent(text.toWellFormed()));
    plain.add(new URLSearchParams([['', text]]).toString().slice(1));
    plain.add(Buffer.from(text).toString('hex'));
    plain.add(Buffer.from(text).toString('hex').toUpperCase());
    plain.add(text.replace(/[&<>"']/g, (character) => `&${htmlNames[character]};`));
    for (const escaped of jsonForms(text)) {
      // JSON inside of a text of JSON, and once more.
      for (let form = escaped, depth = 0; depth < 3; form = escapeJson(form), depth++) plain.add(form);
    }
  }
  for (const text of [...plain]) plain.add(text.replace(/%[0-9A-F]{2}/g, (octet) => octet.toLowerCase()));
  // Of a secret that is an address, services show the path.
  if (URL.canParse(value) && /^https?:/i.test(value)) plain.add(new URL(value).pathname + new URL(value).search);
  for (const text of plain) if (text.length >= headSize) yield { text, replacement };
  // What is base64 stays base64: who decodes it gets something else than the value.
  for (const text of base64Forms(value)) yield { text, replacement: 'x'.repeat(text.length) };
}

const htmlNames: Readonly<Record<string, string>> = { '&': 'amp', '<': 'lt', '>': 'gt', '"': 'quot', "'": '#39' };

function escapeJson(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/** As JavaScript writes it, PHP (slashes), Go (angle brackets) and Python (ASCII only). */
function jsonForms(text: string): string[] {
  const escaped = escapeJson(text);
  const unicode = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  const ascii = escaped.replace(/[^\x20-\x7e]/g, unicode);
  return [
    escaped,
    escaped.replaceAll('/', '\\/'),
    escaped.replace(/[<>&]/g, unicode),
    ascii,
    ascii.replaceAll('/', '\\/'),
  ];
}

/** The characters that the value alone decides, wherever in the encoded bytes it begins: as in `base64('user:' + value)`. */
function base64Forms(value: string): string[] {
  const bytes = Buffer.from(value);
  const forms: string[] = [];
  for (let before = 0; before < 3; before++) {
    const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64');
    const from = Math.ceil((before * 8) / 6);
    const to = Math.floor(((before + bytes.length) * 8) / 6);
    const own = encoded.slice(from, to);
    for (const form of [own, own.replaceAll('+', '-').replaceAll('/', '_')]) {
      if (form.length >= headSize) forms.push(form);
    }
  }
  return [...new Set(forms)];
}
