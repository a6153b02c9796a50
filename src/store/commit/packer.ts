/**
 * Compresses large payloads before their write is queued, a few at a time and on other threads. Writes of one execution leave it in the
 * order in which they came: those behind one that is being packed wait for it. What is small and waits for nothing is not taken.
 */
import { pack, packBytesMin } from '../payload.ts';
import type { ExecutionEnd, JournalRecord, JsonText } from '../port.ts';
import type { Write, WriteContent } from './write.ts';

/** Of the four threads that Node has for such work: two are left for name look-ups and files. */
const parallelMax = 2;

const closingBrace = 0x7d;
const openingBrace = 0x7b;

export class Packer {
  readonly #onPacked: (write: Write) => void;
  /** Writes of each execution that has one in here, in order. The first is packed or waits for a place. */
  readonly #chains = new Map<string, Write[]>();
  /** Chains that wait for a place. */
  readonly #waiting: Write[][] = [];
  #underWay = 0;
  #rows = 0;
  #bytes = 0;

  /** @param onPacked gets every write that was taken, in the order of its execution. */
  constructor(onPacked: (write: Write) => void) {
    this.#onPacked = onPacked;
  }

  get rows(): number {
    return this.#rows;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** False: it can be queued as it is, now. */
  take(write: Write): boolean {
    if (write.bytes < packBytesMin && (this.#chains.size === 0 || !this.#chains.has(write.executionId))) return false;
    this.#rows += write.rows;
    this.#bytes += write.bytes;
    const chain = this.#chains.get(write.executionId);
    if (chain !== undefined) {
      chain.push(write);
      return true;
    }
    const started = [write];
    this.#chains.set(write.executionId, started);
    if (this.#underWay < parallelMax) void this.#work(started);
    else this.#waiting.push(started);
    return true;
  }

  *writes(): Generator<Write> {
    for (const chain of this.#chains.values()) yield* chain;
  }

  async #work(first: Write[]): Promise<void> {
    this.#underWay++;
    for (let chain: Write[] | undefined = first; chain !== undefined; chain = this.#waiting.shift()) {
      await this.#packChain(chain);
    }
    this.#underWay--;
  }

  async #packChain(chain: Write[]): Promise<void> {
    for (let write = chain[0]; write !== undefined; write = chain[0]) {
      const { bytes } = write;
      if (write.needed && bytes >= packBytesMin) write.repack(await packContent(write.content));
      chain.shift();
      this.#rows -= write.rows;
      this.#bytes -= bytes;
      if (chain.length === 0) this.#chains.delete(write.executionId);
      this.#onPacked(write);
    }
  }
}

async function packContent(content: WriteContent): Promise<WriteContent> {
  switch (content.kind) {
    case 'end': {
      const { execution } = content;
      return {
        ...content,
        execution: { ...execution, ...(await packInput(execution)), ...(await packEnd(execution)) },
      };
    }
    case 'start':
      return {
        ...content,
        execution: { ...content.execution, ...(await packInput(content.execution)) },
        journal: await packJournal(content.journal),
      };
    case 'append':
      return { ...content, journal: await packJournal(content.journal) };
    case 'finish':
      return { ...content, end: { ...content.end, ...(await packEnd(content.end)) } };
  }
}

type Input = { inputHead: JsonText; inputBody: JsonText | null };

async function packInput({ inputHead, inputBody }: Input): Promise<Input> {
  const length = inputHead.length + (inputBody?.length ?? 0);
  if (length < packBytesMin) return { inputHead, inputBody };
  return { inputHead: await pack(joinInput(inputHead, inputBody)), inputBody: null };
}

/** The error stays as it is: it is searched, and the engine bounds it at 64 KiB. */
async function packEnd({
  output,
  trace,
  effects,
  logs,
}: ExecutionEnd): Promise<Pick<ExecutionEnd, 'output' | 'trace' | 'effects' | 'logs'>> {
  return {
    output: await packText(output),
    trace: await packText(trace),
    effects: await packText(effects),
    logs: await packText(logs),
  };
}

async function packJournal(journal: JournalRecord[]): Promise<JournalRecord[]> {
  const packed: JournalRecord[] = [];
  for (const record of journal) {
    packed.push(record.json.length < packBytesMin ? record : { ...record, json: await pack(bytesOf(record.json)) });
  }
  return packed;
}

async function packText(text: JsonText | null): Promise<JsonText | null> {
  return text === null || text.length < packBytesMin ? text : pack(bytesOf(text));
}

function bytesOf(text: JsonText): Uint8Array {
  return typeof text === 'string' ? Buffer.from(text) : text;
}

/** The object `head` with the member `body` put at its end, like `MessageWriter.objectWithBody`. */
function joinInput(head: JsonText, body: JsonText | null): Uint8Array {
  const bytes = bytesOf(head);
  if (body === null) return bytes;
  const brace = bytes.lastIndexOf(closingBrace);
  let before = brace - 1;
  while (before > 0 && (bytes[before] as number) <= 0x20) before--;
  const separator = bytes[before] === openingBrace ? '"body":' : ',"body":';
  return Buffer.concat([bytes.subarray(0, brace), Buffer.from(separator), bytesOf(body), Buffer.from('}')]);
}
