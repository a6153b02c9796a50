/**
 * The guest's random numbers: ChaCha20 (RFC 8439, section 2.3), keyed by the execution's seed and the step attempt, so that a
 * replay draws the same numbers and nobody outside can guess them. An isolate has no source of randomness of its own.
 *
 * Evaluated inside the isolate from its source text: it may use nothing from outside its own body.
 */
export interface RandomSource {
  /** A double in [0, 1) with 53 random bits. */
  double(): number;
  /** An unsigned 32-bit integer. */
  word(): number;
}

export function createRandomSource(seed: string, scope: string): RandomSource {
  const state = new Uint32Array(16);
  const block = new Uint32Array(16);

  const quarter = (a: number, b: number, c: number, d: number): void => {
    const x = block as unknown as number[];
    let t: number;
    x[a] = (x[a] as number) + (x[b] as number);
    t = (x[d] as number) ^ (x[a] as number);
    x[d] = (t << 16) | (t >>> 16);
    x[c] = (x[c] as number) + (x[d] as number);
    t = (x[b] as number) ^ (x[c] as number);
    x[b] = (t << 12) | (t >>> 20);
    x[a] = (x[a] as number) + (x[b] as number);
    t = (x[d] as number) ^ (x[a] as number);
    x[d] = (t << 8) | (t >>> 24);
    x[c] = (x[c] as number) + (x[d] as number);
    t = (x[b] as number) ^ (x[c] as number);
    x[b] = (t << 7) | (t >>> 25);
  };

  const permute = (): void => {
    block.set(state);
    for (let round = 0; round < 10; round++) {
      quarter(0, 4, 8, 12);
      quarter(1, 5, 9, 13);
      quarter(2, 6, 10, 14);
      quarter(3, 7, 11, 15);
      quarter(0, 5, 10, 15);
      quarter(1, 6, 11, 12);
      quarter(2, 7, 8, 13);
      quarter(3, 4, 9, 14);
    }
    for (let i = 0; i < 16; i++) block[i] = (block[i] as number) + (state[i] as number);
  };

  state.set([0x61707865, 0x3320646e, 0x79622d32, 0x6b206574]);
  // The seed is 128 bits: the key's second half stays zero until the scope is absorbed.
  for (let i = 0; i < 4; i++) state[4 + i] = Number.parseInt(seed.slice(8 * i, 8 * i + 8), 16);
  // Absorb the scope, six UTF-16 units at a time: the key stream's first half becomes the next key. Steps never share a stream.
  for (let at = 0; at < scope.length || at === 0; at += 6) {
    for (let i = 0; i < 3; i++) {
      const low = at + 2 * i < scope.length ? scope.charCodeAt(at + 2 * i) + 1 : 0;
      const high = at + 2 * i + 1 < scope.length ? scope.charCodeAt(at + 2 * i + 1) + 1 : 0;
      state[13 + i] = low + high * 65537;
    }
    state[12] = 0xffffffff;
    permute();
    for (let i = 0; i < 8; i++) state[4 + i] = block[i] as number;
  }
  state[12] = 0;
  state[13] = 0;
  state[14] = 0;
  state[15] = 0;
  let used = 16;

  const word = (): number => {
    if (used === 16) {
      permute();
      state[12] = (state[12] as number) + 1;
      used = 0;
    }
    return block[used++] as number;
  };

  return {
    word,
    double: () => ((word() >>> 5) * 67108864 + (word() >>> 6)) / 9007199254740992,
  };
}
