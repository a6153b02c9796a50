import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FrameReader, FrameWriter, frameSizeMax } from '../../src/protocol/frames.ts';

interface Plain {
  type: number;
  flags: number;
  run: number;
  a: number;
  b: number;
  timeMs: number;
  parts: string[];
}

const plainFrame = fc.record(
  {
    type: fc.integer({ min: 0, max: 255 }),
    flags: fc.integer({ min: 0, max: 255 }),
    run: fc.maxSafeInteger().map(Math.abs),
    a: fc.integer({ min: 0, max: 0xffffffff }),
    b: fc.integer({ min: 0, max: 0xffffffff }),
    timeMs: fc.double({ noNaN: true }),
    // Lone surrogates have no UTF-8: the encoder replaces them, so they are left out here.
    parts: fc.array(fc.string({ unit: 'grapheme', maxLength: 300 }), { maxLength: 6 }),
  },
  { noNullPrototype: true },
);

function write(frames: Plain[]): Buffer {
  const writer = new FrameWriter();
  const taken: Buffer[] = [];
  for (const { type, flags, run, a, b, timeMs, parts } of frames) {
    writer.write(
      type,
      flags,
      run,
      a,
      b,
      timeMs,
      parts.map((part, i) => (i % 2 === 0 ? part : Buffer.from(part))),
    );
    if (run % 3 === 0) taken.push(writer.take());
  }
  taken.push(writer.take());
  return Buffer.concat(taken);
}

function read(chunks: Buffer[]): Plain[] {
  const reader = new FrameReader();
  const frames: Plain[] = [];
  for (const chunk of chunks) {
    reader.push(chunk, (frame) => {
      const parts: string[] = [];
      for (let i = 0; ; i++) {
        try {
          parts.push(frame.text(i));
        } catch (error) {
          assert.ok(error instanceof RangeError);
          break;
        }
      }
      assert.equal(frame.wholeText(), parts.join(''));
      frames.push({
        type: frame.type,
        flags: frame.flags,
        run: frame.run,
        a: frame.a,
        b: frame.b,
        timeMs: frame.timeMs,
        parts,
      });
    });
  }
  return frames;
}

test('frames come out as they went in, however the stream is cut', () => {
  fc.assert(
    fc.property(fc.array(plainFrame, { maxLength: 12 }), fc.array(fc.integer({ min: 1, max: 400 })), (frames, cuts) => {
      const bytes = write(frames);
      const chunks: Buffer[] = [];
      let at = 0;
      for (const cut of cuts) {
        if (at >= bytes.length) break;
        chunks.push(bytes.subarray(at, at + cut));
        at += cut;
      }
      chunks.push(bytes.subarray(at));
      assert.deepEqual(read(chunks), frames);
    }),
    { numRuns: 200 },
  );
});

test('a large frame that arrives in many chunks is joined', () => {
  const frame: Plain = { type: 1, flags: 0, run: 1, a: 0, b: 0, timeMs: 0, parts: ['é'.repeat(3_000_000)] };
  const bytes = write([frame]);
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += 65_536) chunks.push(bytes.subarray(at, at + 65_536));
  assert.deepEqual(read(chunks), [frame]);
});

test('lengths that cannot be are refused before anything is allocated for them', () => {
  const good = write([{ type: 1, flags: 0, run: 1, a: 0, b: 0, timeMs: 0, parts: ['abc'] }]);
  const mutations: [name: string, change: (bytes: Buffer) => void][] = [
    ['shorter than a header', (bytes) => bytes.writeUInt32LE(8, 0)],
    ['longer than the limit', (bytes) => bytes.writeUInt32LE(frameSizeMax + 1, 0)],
    ['more parts than fit', (bytes) => bytes.writeUInt8(200, 6)],
    ['parts that do not add up', (bytes) => bytes.writeUInt32LE(7, 32)],
  ];
  for (const [name, change] of mutations) {
    const bytes = Buffer.from(good);
    change(bytes);
    assert.throws(() => read([bytes]), RangeError, name);
  }
});
