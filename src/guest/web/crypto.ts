import type { WebHost, WebPart } from './web-host.ts';

/**
 * `crypto`: `randomUUID`, `getRandomValues` (Web Crypto, section 10) from the step's own random numbers, and `subtle.digest` (FIPS
 * 180-4). Evaluated inside the isolate, see `web-host.ts`.
 */
export function createCrypto(
  host: WebHost,
  { DOMException }: { DOMException: new (message: string, name: string) => Error },
): WebPart {
  const randomSizeMax = 65_536;
  const { isView } = ArrayBuffer;

  // ---- SHA -----------------------------------------------------------------------------------------------------------------------

  const wordsOf = (hex: string): Uint32Array => {
    const words = new Uint32Array(hex.length / 8);
    for (let i = 0; i < words.length; i++) words[i] = Number.parseInt(hex.slice(8 * i, 8 * i + 8), 16);
    return words;
  };

  /** The 80 constants of SHA-512, high words first; the high words of the first 64 are those of SHA-256. */
  const constantsHex =
    '428a2f98d728ae227137449123ef65cdb5c0fbcfec4d3b2fe9b5dba58189dbbc3956c25bf348b53859f111f1b605d019' +
    '923f82a4af194f9bab1c5ed5da6d8118d807aa98a303024212835b0145706fbe243185be4ee4b28c550c7dc3d5ffb4e2' +
    '72be5d74f27b896f80deb1fe3b1696b19bdc06a725c71235c19bf174cf692694e49b69c19ef14ad2efbe4786384f25e3' +
    '0fc19dc68b8cd5b5240ca1cc77ac9c652de92c6f592b02754a7484aa6ea6e4835cb0a9dcbd41fbd476f988da831153b5' +
    '983e5152ee66dfaba831c66d2db43210b00327c898fb213fbf597fc7beef0ee4c6e00bf33da88fc2d5a79147930aa725' +
    '06ca6351e003826f142929670a0e6e7027b70a8546d22ffc2e1b21385c26c9264d2c6dfc5ac42aed53380d139d95b3df' +
    '650a73548baf63de766a0abb3c77b2a881c2c92e47edaee692722c851482353ba2bfe8a14cf10364a81a664bbc423001' +
    'c24b8b70d0f89791c76c51a30654be30d192e819d6ef5218d69906245565a910f40e35855771202a106aa07032bbd1b8' +
    '19a4c116b8d2d0c81e376c085141ab532748774cdf8eeb9934b0bcb5e19b48a8391c0cb3c5c95a634ed8aa4ae3418acb' +
    '5b9cca4f7763e373682e6ff3d6b2b8a3748f82ee5defb2fc78a5636f43172f6084c87814a1f0ab728cc702081a6439ec' +
    '90befffa23631e28a4506cebde82bde9bef9a3f7b2c67915c67178f2e372532bca273eceea26619cd186b8c721c0c207' +
    'eada7dd6cde0eb1ef57d4f7fee6ed17806f067aa72176fba0a637dc5a2c898a6113f9804bef90dae1b710b35131c471b' +
    '28db77f523047d8432caab7b40c724933c9ebe0a15c9bebc431d67c49c100d4c4cc5d4becb3e42b6597f299cfc657e2a' +
    '5fcb6fab3ad6faec6c44198c4a475817';
  const start = {
    'SHA-1': '67452301efcdab8998badcfe10325476c3d2e1f0',
    'SHA-256': '6a09e667bb67ae853c6ef372a54ff53a510e527f9b05688c1f83d9ab5be0cd19',
    'SHA-384':
      'cbbb9d5dc1059ed8629a292a367cd5079159015a3070dd17152fecd8f70e593967332667ffc00b318eb44a8768581511db0c2e0d64f98fa747b5481dbefa4fa4',
    'SHA-512':
      '6a09e667f3bcc908bb67ae8584caa73b3c6ef372fe94f82ba54ff53a5f1d36f1510e527fade682d19b05688c2b3e6c1f1f83d9abfb41bd6b5be0cd19137e2179',
  };
  type Algorithm = keyof typeof start;
  const digestSize: Record<Algorithm, number> = { 'SHA-1': 20, 'SHA-256': 32, 'SHA-384': 48, 'SHA-512': 64 };

  /** The message, a one bit, zeros, and its length in bits, in whole blocks. */
  const pad = (message: Uint8Array, blockSize: number): DataView => {
    const lengthSize = blockSize / 8;
    const size = Math.ceil((message.length + 1 + lengthSize) / blockSize) * blockSize;
    const padded = new Uint8Array(size);
    padded.set(message);
    padded[message.length] = 0x80;
    const view = new DataView(padded.buffer);
    view.setUint32(size - 8, Math.floor(message.length / 2 ** 29));
    view.setUint32(size - 4, message.length << 3);
    return view;
  };

  const rotate = (word: number, bits: number): number => (word >>> bits) | (word << (32 - bits));

  const sha1 = (message: Uint8Array, state: Uint32Array): void => {
    const view = pad(message, 64);
    const w = new Uint32Array(80) as unknown as number[];
    const s = state as unknown as number[];
    for (let at = 0; at < view.byteLength; at += 64) {
      for (let t = 0; t < 16; t++) w[t] = view.getUint32(at + 4 * t);
      for (let t = 16; t < 80; t++) {
        w[t] = rotate((w[t - 3] as number) ^ (w[t - 8] as number) ^ (w[t - 14] as number) ^ (w[t - 16] as number), 31);
      }
      let [a, b, c, d, e] = s as [number, number, number, number, number];
      for (let t = 0; t < 80; t++) {
        const f =
          t < 20
            ? ((b & c) | (~b & d)) + 0x5a827999
            : t < 40
              ? (b ^ c ^ d) + 0x6ed9eba1
              : t < 60
                ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc
                : (b ^ c ^ d) + 0xca62c1d6;
        const next = (rotate(a, 27) + f + e + (w[t] as number)) | 0;
        e = d;
        d = c;
        c = rotate(b, 2);
        b = a;
        a = next;
      }
      s[0] = (s[0] as number) + a;
      s[1] = (s[1] as number) + b;
      s[2] = (s[2] as number) + c;
      s[3] = (s[3] as number) + d;
      s[4] = (s[4] as number) + e;
    }
  };

  const sha256 = (message: Uint8Array, state: Uint32Array): void => {
    const k = wordsOf(constantsHex).filter((_, i) => i % 2 === 0) as unknown as number[];
    const view = pad(message, 64);
    const w = new Uint32Array(64) as unknown as number[];
    const s = state as unknown as number[];
    for (let at = 0; at < view.byteLength; at += 64) {
      for (let t = 0; t < 16; t++) w[t] = view.getUint32(at + 4 * t);
      for (let t = 16; t < 64; t++) {
        const x = w[t - 15] as number;
        const y = w[t - 2] as number;
        const low = rotate(x, 7) ^ rotate(x, 18) ^ (x >>> 3);
        const high = rotate(y, 17) ^ rotate(y, 19) ^ (y >>> 10);
        w[t] = (w[t - 16] as number) + low + (w[t - 7] as number) + high;
      }
      let [a, b, c, d, e, f, g, h] = s as [number, number, number, number, number, number, number, number];
      for (let t = 0; t < 64; t++) {
        const high = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
        const one = (h + high + ((e & f) ^ (~e & g)) + (k[t] as number) + (w[t] as number)) | 0;
        const low = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
        const two = (low + ((a & b) ^ (a & c) ^ (b & c))) | 0;
        h = g;
        g = f;
        f = e;
        e = (d + one) | 0;
        d = c;
        c = b;
        b = a;
        a = (one + two) | 0;
      }
      const after = [a, b, c, d, e, f, g, h];
      for (let i = 0; i < 8; i++) s[i] = (s[i] as number) + (after[i] as number);
    }
  };

  /** SHA-512 and SHA-384: 64-bit words as pairs, the high half at the even place. */
  const sha512 = (message: Uint8Array, state: Uint32Array): void => {
    const k = wordsOf(constantsHex) as unknown as number[];
    const view = pad(message, 128);
    const w = new Uint32Array(160) as unknown as number[];
    const v = new Uint32Array(16) as unknown as number[];
    const s = state as unknown as number[];
    const get = (words: number[], i: number): number => words[i] as number;
    /** Low halves are added as doubles, whose sum carries into the high one. */
    const carry = (low: number): number => Math.floor(low / 4294967296);
    for (let at = 0; at < view.byteLength; at += 128) {
      for (let t = 0; t < 32; t++) w[t] = view.getUint32(at + 4 * t);
      for (let t = 32; t < 160; t += 2) {
        const xh = get(w, t - 30);
        const xl = get(w, t - 29);
        const yh = get(w, t - 4);
        const yl = get(w, t - 3);
        const lowH = ((xh >>> 1) | (xl << 31)) ^ ((xh >>> 8) | (xl << 24)) ^ (xh >>> 7);
        const lowL = ((xl >>> 1) | (xh << 31)) ^ ((xl >>> 8) | (xh << 24)) ^ ((xl >>> 7) | (xh << 25));
        const highH = ((yh >>> 19) | (yl << 13)) ^ ((yl >>> 29) | (yh << 3)) ^ (yh >>> 6);
        const highL = ((yl >>> 19) | (yh << 13)) ^ ((yh >>> 29) | (yl << 3)) ^ ((yl >>> 6) | (yh << 26));
        const sum = get(w, t - 31) + (lowL >>> 0) + get(w, t - 13) + (highL >>> 0);
        w[t + 1] = sum;
        w[t] = get(w, t - 32) + (lowH >>> 0) + get(w, t - 14) + (highH >>> 0) + carry(sum);
      }
      for (let i = 0; i < 16; i++) v[i] = get(s, i);
      for (let t = 0; t < 160; t += 2) {
        const [ah, al, bh, bl, ch, cl] = v as [number, number, number, number, number, number];
        const eh = get(v, 8);
        const el = get(v, 9);
        const highH = ((eh >>> 14) | (el << 18)) ^ ((eh >>> 18) | (el << 14)) ^ ((el >>> 9) | (eh << 23));
        const highL = ((el >>> 14) | (eh << 18)) ^ ((el >>> 18) | (eh << 14)) ^ ((eh >>> 9) | (el << 23));
        const chooseH = (eh & get(v, 10)) ^ (~eh & get(v, 12));
        const chooseL = (el & get(v, 11)) ^ (~el & get(v, 13));
        const oneL = get(v, 15) + (highL >>> 0) + (chooseL >>> 0) + get(k, t + 1) + get(w, t + 1);
        const oneH = get(v, 14) + (highH >>> 0) + (chooseH >>> 0) + get(k, t) + get(w, t) + carry(oneL);
        const lowH = ((ah >>> 28) | (al << 4)) ^ ((al >>> 2) | (ah << 30)) ^ ((al >>> 7) | (ah << 25));
        const lowL = ((al >>> 28) | (ah << 4)) ^ ((ah >>> 2) | (al << 30)) ^ ((ah >>> 7) | (al << 25));
        const majorityH = (ah & bh) ^ (ah & ch) ^ (bh & ch);
        const majorityL = (al & bl) ^ (al & cl) ^ (bl & cl);
        for (let i = 15; i >= 2; i--) v[i] = get(v, i - 2);
        const nextEl = get(v, 9) + (oneL >>> 0);
        v[8] = get(v, 8) + oneH + carry(nextEl);
        v[9] = nextEl;
        const nextAl = (oneL >>> 0) + (lowL >>> 0) + (majorityL >>> 0);
        v[0] = oneH + (lowH >>> 0) + (majorityH >>> 0) + carry(nextAl);
        v[1] = nextAl;
      }
      for (let i = 0; i < 16; i += 2) {
        const sum = get(s, i + 1) + get(v, i + 1);
        s[i] = get(s, i) + get(v, i) + carry(sum);
        s[i + 1] = sum;
      }
    }
  };

  const digestOf = (algorithm: Algorithm, message: Uint8Array): ArrayBuffer => {
    const state = wordsOf(start[algorithm]);
    if (algorithm === 'SHA-1') sha1(message, state);
    else if (algorithm === 'SHA-256') sha256(message, state);
    else sha512(message, state);
    const bytes = new DataView(new ArrayBuffer(state.length * 4));
    state.forEach((word, i) => {
      bytes.setUint32(4 * i, word);
    });
    return (bytes.buffer as ArrayBuffer).slice(0, digestSize[algorithm]);
  };

  // ---- what authors call -----------------------------------------------------------------------------------------------------------

  const algorithmOf = (given: unknown): Algorithm => {
    const named = typeof given === 'object' && given !== null ? (given as { name?: unknown }).name : given;
    const name = String(named).toUpperCase();
    if (!Object.hasOwn(start, name)) {
      throw new DOMException(
        `digest knows SHA-1, SHA-256, SHA-384 and SHA-512; got ${name.slice(0, 40)}`,
        'NotSupportedError',
      );
    }
    return name as Algorithm;
  };

  const bytesOf = (data: unknown): Uint8Array => {
    if (isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    if (data instanceof ArrayBuffer) return new Uint8Array(data);
    throw new TypeError('digest needs bytes: an ArrayBuffer, a typed array or a DataView');
  };

  const subtle = {
    digest: async (algorithm: unknown, data: unknown): Promise<ArrayBuffer> =>
      digestOf(algorithmOf(algorithm), bytesOf(data)),
  };

  const isWholeNumbers = (view: unknown): view is Uint8Array =>
    isView(view) && !(view instanceof DataView) && !/Float/.test((view as Uint8Array)[Symbol.toStringTag]);

  const crypto = {
    randomUUID: (): string => host.uuid(),
    getRandomValues: (view: unknown): unknown => {
      if (!isWholeNumbers(view)) {
        throw new DOMException('getRandomValues fills typed arrays of whole numbers', 'TypeMismatchError');
      }
      if (view.byteLength > randomSizeMax) {
        throw new DOMException(
          `getRandomValues fills ${randomSizeMax} bytes at a time; got ${view.byteLength}`,
          'QuotaExceededError',
        );
      }
      const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
      let word = 0;
      for (let i = 0; i < bytes.length; i++) {
        if (i % 4 === 0) word = host.randomWord();
        bytes[i] = word >>> (8 * (i % 4));
      }
      return view;
    },
    subtle,
  };
  return { globals: { crypto } };
}
