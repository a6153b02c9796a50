// biome-ignore-all lint/complexity/noArguments: Web IDL tells an argument that is missing from one that is undefined
import type { WebHost, WebPart } from './web-host.ts';

/**
 * `URL` and `URLSearchParams`, by the URL standard's own state machine (https://url.spec.whatwg.org, sections 3 to 6).
 *
 * Names of hosts that are not ASCII go through UTS #46 as that asks. Its table of 1.4 million code points is not carried along (that
 * is what makes other implementations expensive): it is derived from the properties that the engine knows, by NFKC and case. The test
 * compares every code point with Node's own URL.
 *
 * Evaluated inside the isolate, see `web-host.ts`.
 */
export function createUrl(
  _host: WebHost,
  {
    decodeUtf8Whole,
    encodeUtf8,
  }: { decodeUtf8Whole: (bytes: Uint8Array) => string; encodeUtf8: (text: string) => Uint8Array },
): WebPart {
  interface UrlRecord {
    scheme: string;
    username: string;
    password: string;
    /** Serialized. */
    host: string | null;
    port: number | null;
    /** A text when it is opaque. */
    path: string[] | string;
    query: string | null;
    fragment: string | null;
  }

  const defaultPorts: Record<string, number | null> = {
    __proto__: null as never,
    'ftp:': 21,
    'file:': null,
    'http:': 80,
    'https:': 443,
    'ws:': 80,
    'wss:': 443,
  };
  const isSpecialScheme = (scheme: string): boolean => scheme in defaultPorts;

  // ---- percent-encoding ------------------------------------------------------------------------------------------------------------

  /** 1 for each ASCII character that is encoded; all others outside of 0x20 to 0x7e are, always. */
  const encodeSet = (characters: string, base?: Uint8Array): Uint8Array => {
    const set = new Uint8Array(128);
    if (base !== undefined) set.set(base);
    for (let i = 0; i < characters.length; i++) set[characters.charCodeAt(i)] = 1;
    return set;
  };
  const controlSet = encodeSet('');
  const fragmentSet = encodeSet(' "<>`');
  const querySet = encodeSet(' "#<>');
  const specialQuerySet = encodeSet("'", querySet);
  const pathSet = encodeSet('?^`{}', querySet);
  const userinfoSet = encodeSet('/:;=@[\\]^|', pathSet);
  const formSet = encodeSet("$%&+,!'()~", userinfoSet);

  const encode = (text: string, set: Uint8Array): string => {
    let encoded = '';
    let from = 0;
    for (let i = 0; i < text.length; ) {
      const unit = text.charCodeAt(i);
      if (unit >= 0x20 && unit < 0x7f && set[unit] !== 1) {
        i++;
        continue;
      }
      let end = i + 1;
      if (unit >= 0xd800 && unit <= 0xdbff && (text.charCodeAt(end) & 0xfc00) === 0xdc00) end++;
      encoded += text.slice(from, i);
      for (const byte of encodeUtf8(text.slice(i, end))) {
        encoded += `%${byte < 16 ? '0' : ''}${byte.toString(16).toUpperCase()}`;
      }
      i = end;
      from = end;
    }
    return from === 0 ? text : encoded + text.slice(from);
  };

  const decode = (text: string): string =>
    text.includes('%')
      ? text.replace(/(?:%[0-9a-f]{2})+/gi, (run) => {
          const bytes = new Uint8Array(run.length / 3);
          for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(run.slice(3 * i + 1, 3 * i + 3), 16);
          return decodeUtf8Whole(bytes);
        })
      : text;

  // ---- punycode (RFC 3492) -------------------------------------------------------------------------------------------------------

  const adapt = (delta: number, count: number, isFirst: boolean): number => {
    let rest = isFirst ? Math.floor(delta / 700) : delta >> 1;
    rest += Math.floor(rest / count);
    let k = 0;
    for (; rest > 455; k += 36) rest = Math.floor(rest / 35);
    return k + Math.floor((36 * rest) / (rest + 38));
  };

  const toPunycode = (label: string): string => {
    const points = Array.from(label, (character) => character.codePointAt(0) as number);
    let out = points
      .filter((point) => point < 128)
      .map((point) => String.fromCharCode(point))
      .join('');
    const basics = out.length;
    if (basics > 0) out += '-';
    let n = 128;
    let delta = 0;
    let bias = 72;
    for (let handled = basics; handled < points.length; ) {
      const next = Math.min(...points.filter((point) => point >= n));
      delta += (next - n) * (handled + 1);
      n = next;
      for (const point of points) {
        if (point < n) delta++;
        if (point !== n) continue;
        let q = delta;
        for (let k = 36; ; k += 36) {
          const t = k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias;
          if (q < t) break;
          const digit = t + ((q - t) % (36 - t));
          out += String.fromCharCode(digit < 26 ? digit + 97 : digit + 22);
          q = Math.floor((q - t) / (36 - t));
        }
        out += String.fromCharCode(q < 26 ? q + 97 : q + 22);
        bias = adapt(delta, handled + 1, handled === basics);
        delta = 0;
        handled++;
      }
      delta++;
      n++;
    }
    return out;
  };

  const fromPunycode = (text: string): string | null => {
    const end = text.lastIndexOf('-');
    const points = Array.from(end > 0 ? text.slice(0, end) : '', (character) => character.charCodeAt(0));
    let n = 128;
    let i = 0;
    let bias = 72;
    for (let at = end > 0 ? end + 1 : 0; at < text.length; ) {
      const before = i;
      let weight = 1;
      for (let k = 36; ; k += 36) {
        if (at >= text.length) return null;
        const unit = text.charCodeAt(at++);
        const digit = unit >= 48 && unit <= 57 ? unit - 22 : unit >= 97 && unit <= 122 ? unit - 97 : 36;
        if (digit >= 36) return null;
        i += digit * weight;
        const t = k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias;
        if (digit < t) break;
        weight *= 36 - t;
        if (weight > 0x7fffffff || i > 0x7fffffff) return null;
      }
      const count = points.length + 1;
      bias = adapt(i - before, count, before === 0);
      n += Math.floor(i / count);
      i %= count;
      if (n > 0x10ffff || (n >= 0xd800 && n <= 0xdfff)) return null;
      points.splice(i++, 0, n);
    }
    return points.map((point) => String.fromCodePoint(point)).join('');
  };

  // ---- names of hosts ------------------------------------------------------------------------------------------------------------

  const forbiddenHost = /[\0\t\n\r #/:<>?@[\\\]^|]/;
  const forbiddenDomain = /[\0-\x20#%/:<>?@[\\\]^|\x7f]/;

  const ignored =
    // biome-ignore lint/suspicious/noMisleadingCharacterClass: each is meant by itself
    /[\xad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u2060-\u2064\u206a-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0100}-\u{e01ef}]/u;
  const refused =
    /[\p{Cn}\p{Co}\p{Cs}\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u1680\u2028\u2029\u2ff0-\u2fff\u31ef\ufffc\ufffd]/u;
  /** Cherokee folds to its capitals. */
  const foldsUp = /[\u13a0-\u13fd\uab70-\uabbf]/;
  /** Their fold is that of their capital. */
  const foldsByCapital = /[\u0345\u1c80-\u1c88\u1f80-\u1ffc]/;

  const fold = (character: string): string => {
    if (foldsUp.test(character)) return character.toUpperCase();
    return (foldsByCapital.test(character) ? character.toUpperCase() : character).toLowerCase();
  };

  /** What UTS #46 maps a character to; the empty text for those that it ignores, null for those that it refuses. */
  const mapCharacter = (character: string): string | null => {
    if (character < '\x80') return character.toLowerCase();
    if (character === '\u3002' || character === '\uff0e' || character === '\uff61') return '.';
    if (character === '\u200c' || character === '\u200d' || character === 'ς') return character;
    if (ignored.test(character)) return '';
    if (refused.test(character)) return null;
    let mapped = '';
    for (const one of character.normalize('NFKC')) mapped += fold(one);
    mapped = mapped.normalize('NFKC').replaceAll('ς', 'σ');
    return mapped.includes('.') ? null : mapped;
  };

  const isRightToLeft = (character: string): boolean =>
    /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u.test(character) &&
    !/[\p{Mn}\p{Me}\u0606\u0607\u0609\u060a\u060c\u060e\u060f\u066a\u06de\u06e9\u06f0-\u06f9\u07f6-\u07f9\ufd3e-\ufd4f\ufdfd\u{1091f}\u{10b39}-\u{10b3f}]/u.test(
      character,
    ) &&
    !isArabicNumber(character);
  const isArabicNumber = (character: string): boolean =>
    /[\u0600-\u0605\u0660-\u0669\u066b\u066c\u06dd\u{10e60}-\u{10e7e}]/u.test(character);

  /** RFC 5893, section 2; R and AL are one here, no rule tells them apart. */
  const keepsBidiRule = (label: string): boolean => {
    const characters = Array.from(label).filter((character) => !/[\p{Mn}\p{Me}]/u.test(character));
    const first = characters[0];
    const last = characters[characters.length - 1];
    if (first === undefined || last === undefined || label.search(/[\p{Mn}\p{Me}]/u) === 0) return label === '';
    const isLeftToRight = (character: string): boolean =>
      /[\p{L}\p{Mc}\p{Nl}]/u.test(character) && !isRightToLeft(character);
    const isNumber = (character: string): boolean => /[0-9\u06f0-\u06f9]/.test(character);
    if (isRightToLeft(first)) {
      const hasNumber = characters.some(isNumber);
      return (
        !characters.some(isLeftToRight) &&
        (isRightToLeft(last) || isNumber(last) || isArabicNumber(last)) &&
        !(hasNumber && characters.some(isArabicNumber))
      );
    }
    if (!isLeftToRight(first)) return false;
    return (
      !characters.some((character) => isRightToLeft(character) || isArabicNumber(character)) &&
      (isLeftToRight(last) || isNumber(last))
    );
  };

  /** Joiners stand behind a virama, or, the one that does not join, between letters that would (RFC 5892, appendix A). */
  const joinersFit = (label: string): boolean => {
    const virama =
      /[\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d3b\u0d3c\u0d4d\u0dca\u0e3a\u0eba\u0f84\u1039\u103a\u1714\u1734\u17d2\u1a60\u1b44\u1baa\u1bab\u1bf2\u1bf3\u2d7f\ua806\ua82c\ua8c4\ua953\ua9c0\uaaf6\uabed\u{10a3f}\u{11046}\u{1107f}\u{110b9}\u{11133}\u{11134}\u{111c0}\u{11235}\u{112ea}\u{1134d}\u{11442}\u{114c2}\u{115bf}\u{1163f}\u{116b6}\u{1172b}\u{11839}\u{119e0}\u{11a34}\u{11a47}\u{11a99}\u{11c3f}\u{11d44}\u{11d45}\u{11d97}]$/u;
    const joining = /[\p{Script=Arabic}\p{Script=Syriac}\p{Script=Mongolian}\p{Script=Nko}]/u;
    for (let at = label.search(/[\u200c\u200d]/); at >= 0; ) {
      const before = label.slice(0, at);
      const after = label.slice(at + 1);
      const isBetween = joining.test(before.slice(-1)) && joining.test(after.slice(0, 1));
      if (!virama.test(before) && !(label[at] === '\u200c' && isBetween)) return false;
      const next = after.search(/[\u200c\u200d]/);
      at = next < 0 ? -1 : at + 1 + next;
    }
    return true;
  };

  const isValidLabel = (label: string): boolean =>
    label.normalize('NFC') === label &&
    !/^\p{M}/u.test(label) &&
    !label.includes('.') &&
    Array.from(label).every((character) => character < '\x80' || mapCharacter(character) === character) &&
    joinersFit(label);

  /** Unicode ToASCII, not strict (URL standard, section 3.3). Null is failure. */
  const domainToAscii = (domain: string): string | null => {
    // As browsers and Node take it, what is ASCII is taken as it is, wrong punycode included.
    if (/^[\0-\x7f]*$/.test(domain)) return domain.toLowerCase();
    let mapped = '';
    for (const character of domain) {
      const one = mapCharacter(character);
      if (one === null) return null;
      mapped += one;
    }
    const labels: string[] = [];
    for (const label of mapped.normalize('NFC').split('.')) {
      let plain = label;
      if (label.startsWith('xn--')) {
        const decoded = fromPunycode(label.slice(4));
        if (decoded === null || /^[\0-\x7f]*$/.test(decoded)) return null;
        plain = decoded;
      }
      if (!isValidLabel(plain) || (label === plain && label.startsWith('xn--'))) return null;
      labels.push(plain);
    }
    const all = labels.join('');
    const isBidi = Array.from(all).some((character) => isRightToLeft(character) || isArabicNumber(character));
    if (isBidi && !labels.every(keepsBidiRule)) return null;
    return labels.map((label) => (/^[\0-\x7f]*$/.test(label) ? label : `xn--${toPunycode(label)}`)).join('.');
  };

  const numberOf = (part: string): number | null => {
    if (part === '') return null;
    if (/^0x[0-9a-f]*$/i.test(part)) return part.length === 2 ? 0 : Number.parseInt(part.slice(2), 16);
    if (part.length > 1 && part[0] === '0') return /^[0-7]+$/.test(part) ? Number.parseInt(part, 8) : null;
    return /^[0-9]+$/.test(part) ? Number.parseInt(part, 10) : null;
  };

  const endsInNumber = (host: string): boolean => {
    const parts = host.split('.');
    if (parts[parts.length - 1] === '') {
      if (parts.length === 1) return false;
      parts.pop();
    }
    const last = parts[parts.length - 1] as string;
    return /^[0-9]+$/.test(last) || /^0x[0-9a-f]*$/i.test(last);
  };

  const parseIpv4 = (host: string): string | null => {
    const parts = host.split('.');
    if (parts[parts.length - 1] === '' && parts.length > 1) parts.pop();
    if (parts.length > 4) return null;
    const numbers = parts.map(numberOf);
    let address = 0;
    for (const [i, number] of numbers.entries()) {
      const isLast = i === numbers.length - 1;
      if (number === null || number >= (isLast ? 256 ** (5 - numbers.length) : 256)) return null;
      address += isLast ? number : number * 256 ** (3 - i);
    }
    return [24, 16, 8, 0].map((bits) => Math.floor(address / 2 ** bits) % 256).join('.');
  };

  const parseIpv6 = (text: string): string | null => {
    const pieces: number[] = [0, 0, 0, 0, 0, 0, 0, 0];
    let piece = 0;
    let compress = -1;
    let at = 0;
    if (text[0] === ':') {
      if (text[1] !== ':') return null;
      at = 2;
      compress = ++piece;
    }
    while (at < text.length) {
      if (piece === 8) return null;
      if (text[at] === ':') {
        if (compress >= 0) return null;
        at++;
        compress = ++piece;
        continue;
      }
      const hex = (/^[0-9a-f]{1,4}/i.exec(text.slice(at, at + 4)) ?? [''])[0] as string;
      if (text[at + hex.length] === '.') {
        const dotted = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text.slice(at));
        if (dotted === null || piece > 6) return null;
        const numbers = dotted.slice(1);
        if (numbers.some((number) => Number(number) > 255 || (number.length > 1 && number[0] === '0'))) return null;
        const [a, b, c, d] = numbers.map(Number) as [number, number, number, number];
        pieces[piece++] = a * 256 + b;
        pieces[piece++] = c * 256 + d;
        at = text.length;
        break;
      }
      at += hex.length;
      if (text[at] === ':') {
        at++;
        if (at === text.length) return null;
      } else if (at < text.length) return null;
      pieces[piece++] = Number.parseInt(hex, 16);
    }
    if (compress >= 0) {
      const moved = pieces.splice(compress, piece - compress);
      pieces.push(...moved);
    } else if (piece !== 8) return null;
    return serializeIpv6(pieces);
  };

  const serializeIpv6 = (pieces: number[]): string => {
    let best = -1;
    let bestLength = 1;
    for (let i = 0; i < 8; i++) {
      let length = 0;
      while (i + length < 8 && pieces[i + length] === 0) length++;
      if (length > bestLength) [best, bestLength] = [i, length];
      if (length > 0) i += length;
    }
    let text = '';
    for (let i = 0; i < 8; i++) {
      if (i === best) {
        text += i === 0 ? '::' : ':';
        i += bestLength - 1;
        continue;
      }
      text += (pieces[i] as number).toString(16);
      if (i < 7) text += ':';
    }
    return text;
  };

  /** Serialized, or null for failure. */
  const parseHost = (text: string, isOpaque: boolean): string | null => {
    if (text[0] === '[') {
      const address = text.endsWith(']') ? parseIpv6(text.slice(1, -1)) : null;
      return address === null ? null : `[${address}]`;
    }
    if (isOpaque) return forbiddenHost.test(text) ? null : encode(text, controlSet);
    const domain = domainToAscii(decode(text));
    if (domain === null || domain === '' || forbiddenDomain.test(domain)) return null;
    return endsInNumber(domain) ? parseIpv4(domain) : domain;
  };

  // ---- the state machine -----------------------------------------------------------------------------------------------------------

  const isSpecial = (url: UrlRecord): boolean => isSpecialScheme(url.scheme);
  const isWindowsLetter = (text: string): boolean => /^[a-z][:|]$/i.test(text);
  const isNormalizedWindowsLetter = (text: string): boolean => /^[a-z]:$/i.test(text);
  const startsWithWindowsLetter = (text: string): boolean => /^[a-z][:|](?:[/\\?#]|$)/i.test(text);
  const isSingleDot = (segment: string): boolean => /^(?:\.|%2e)$/i.test(segment);
  const isDoubleDot = (segment: string): boolean => /^(?:\.|%2e){2}$/i.test(segment);

  const shorten = (url: UrlRecord): void => {
    const path = url.path as string[];
    if (url.scheme === 'file:' && path.length === 1 && isNormalizedWindowsLetter(path[0] as string)) return;
    path.pop();
  };

  const blank = (): UrlRecord => ({
    scheme: '',
    username: '',
    password: '',
    host: null,
    port: null,
    path: [],
    query: null,
    fragment: null,
  });

  type State =
    | 'scheme start'
    | 'scheme'
    | 'no scheme'
    | 'special relative or authority'
    | 'path or authority'
    | 'relative'
    | 'relative slash'
    | 'special authority slashes'
    | 'special authority ignore slashes'
    | 'authority'
    | 'host'
    | 'hostname'
    | 'port'
    | 'file'
    | 'file slash'
    | 'file host'
    | 'path start'
    | 'path'
    | 'opaque path'
    | 'query'
    | 'fragment';

  /**
   * The basic URL parser. With `override` it changes `url` from that state on, as setters do. Returns false on failure; a setter that
   * is to change nothing stops with true.
   */
  const parseInto = (url: UrlRecord, given: string, base: UrlRecord | null, override: State | null): boolean => {
    const trimmed = override === null ? given.replace(/^[\0-\x20]+|[\0-\x20]+$/g, '') : given;
    const input = Array.from(trimmed.replace(/[\t\n\r]/g, ''));
    const rest = (from: number): string => input.slice(from).join('');
    let state: State = override ?? 'scheme start';
    let buffer = '';
    let atSignSeen = false;
    let insideBrackets = false;
    let passwordSeen = false;

    for (let at = 0; ; at++) {
      const c = input[at];
      switch (state) {
        case 'scheme start':
          if (c !== undefined && /^[a-z]$/i.test(c)) {
            buffer += c.toLowerCase();
            state = 'scheme';
          } else if (override === null) {
            state = 'no scheme';
            at--;
          } else return false;
          break;

        case 'scheme':
          if (c !== undefined && /^[a-z0-9+.-]$/i.test(c)) {
            buffer += c.toLowerCase();
          } else if (c === ':') {
            const scheme = `${buffer}:`;
            if (override !== null) {
              if (isSpecial(url) !== isSpecialScheme(scheme)) return true;
              const hasAuthority = url.username !== '' || url.password !== '' || url.port !== null;
              if (hasAuthority && scheme === 'file:') return true;
              if (url.scheme === 'file:' && (url.host === '' || url.host === null)) return true;
            }
            url.scheme = scheme;
            if (override !== null) {
              if (url.port === defaultPorts[scheme]) url.port = null;
              return true;
            }
            buffer = '';
            if (scheme === 'file:') state = 'file';
            else if (isSpecial(url) && base?.scheme === scheme) state = 'special relative or authority';
            else if (isSpecial(url)) state = 'special authority slashes';
            else if (input[at + 1] === '/') {
              state = 'path or authority';
              at++;
            } else {
              url.path = '';
              state = 'opaque path';
            }
          } else if (override === null) {
            buffer = '';
            state = 'no scheme';
            at = -1;
          } else return false;
          break;

        case 'no scheme':
          if (base === null || (typeof base.path === 'string' && c !== '#')) return false;
          if (typeof base.path === 'string') {
            url.scheme = base.scheme;
            url.path = base.path;
            url.query = base.query;
            url.fragment = '';
            state = 'fragment';
          } else {
            state = base.scheme === 'file:' ? 'file' : 'relative';
            at--;
          }
          break;

        case 'special relative or authority':
          if (c === '/' && input[at + 1] === '/') {
            state = 'special authority ignore slashes';
            at++;
          } else {
            state = 'relative';
            at--;
          }
          break;

        case 'path or authority':
          if (c === '/') state = 'authority';
          else {
            state = 'path';
            at--;
          }
          break;

        case 'relative': {
          const from = base as UrlRecord;
          url.scheme = from.scheme;
          if (c === '/') state = 'relative slash';
          else if (isSpecial(url) && c === '\\') state = 'relative slash';
          else {
            url.username = from.username;
            url.password = from.password;
            url.host = from.host;
            url.port = from.port;
            url.path = [...(from.path as string[])];
            url.query = from.query;
            if (c === '?') {
              url.query = '';
              state = 'query';
            } else if (c === '#') {
              url.fragment = '';
              state = 'fragment';
            } else if (c !== undefined) {
              url.query = null;
              shorten(url);
              state = 'path';
              at--;
            }
          }
          break;
        }

        case 'relative slash':
          if (isSpecial(url) && (c === '/' || c === '\\')) state = 'special authority ignore slashes';
          else if (c === '/') state = 'authority';
          else {
            const from = base as UrlRecord;
            url.username = from.username;
            url.password = from.password;
            url.host = from.host;
            url.port = from.port;
            state = 'path';
            at--;
          }
          break;

        case 'special authority slashes':
          state = 'special authority ignore slashes';
          if (c === '/' && input[at + 1] === '/') at++;
          else at--;
          break;

        case 'special authority ignore slashes':
          if (c !== '/' && c !== '\\') {
            state = 'authority';
            at--;
          }
          break;

        case 'authority':
          if (c === '@') {
            if (atSignSeen) buffer = `%40${buffer}`;
            atSignSeen = true;
            const colon = passwordSeen ? -1 : buffer.indexOf(':');
            if (passwordSeen) url.password += encode(buffer, userinfoSet);
            else {
              url.username += encode(colon < 0 ? buffer : buffer.slice(0, colon), userinfoSet);
              if (colon >= 0) {
                passwordSeen = true;
                url.password += encode(buffer.slice(colon + 1), userinfoSet);
              }
            }
            buffer = '';
          } else if (c === undefined || c === '/' || c === '?' || c === '#' || (isSpecial(url) && c === '\\')) {
            if (atSignSeen && buffer === '') return false;
            at -= Array.from(buffer).length + 1;
            buffer = '';
            state = 'host';
          } else buffer += c;
          break;

        case 'host':
        case 'hostname':
          if (override !== null && url.scheme === 'file:') {
            at--;
            state = 'file host';
          } else if (c === ':' && !insideBrackets) {
            if (buffer === '') return false;
            if (override === 'hostname') return false;
            const host = parseHost(buffer, !isSpecial(url));
            if (host === null) return false;
            url.host = host;
            buffer = '';
            state = 'port';
          } else if (c === undefined || c === '/' || c === '?' || c === '#' || (isSpecial(url) && c === '\\')) {
            at--;
            if (isSpecial(url) && buffer === '') return false;
            const hasAuthority = url.username !== '' || url.password !== '' || url.port !== null;
            if (override !== null && buffer === '' && hasAuthority) return false;
            const host = parseHost(buffer, !isSpecial(url));
            if (host === null) return false;
            url.host = host;
            buffer = '';
            state = 'path start';
            if (override !== null) return true;
          } else {
            if (c === '[') insideBrackets = true;
            if (c === ']') insideBrackets = false;
            buffer += c;
          }
          break;

        case 'port':
          if (c !== undefined && /^[0-9]$/.test(c)) buffer += c;
          else if (
            c === undefined ||
            c === '/' ||
            c === '?' ||
            c === '#' ||
            (isSpecial(url) && c === '\\') ||
            override !== null
          ) {
            if (buffer !== '') {
              const port = Number.parseInt(buffer, 10);
              if (port > 65_535) return false;
              url.port = port === defaultPorts[url.scheme] ? null : port;
              buffer = '';
              if (override !== null) return true;
            }
            if (override !== null) return false;
            state = 'path start';
            at--;
          } else return false;
          break;

        case 'file':
          url.scheme = 'file:';
          url.host = '';
          if (c === '/' || c === '\\') state = 'file slash';
          else if (base?.scheme === 'file:') {
            url.host = base.host;
            url.path = [...(base.path as string[])];
            url.query = base.query;
            if (c === '?') {
              url.query = '';
              state = 'query';
            } else if (c === '#') {
              url.fragment = '';
              state = 'fragment';
            } else if (c !== undefined) {
              url.query = null;
              if (startsWithWindowsLetter(rest(at))) url.path = [];
              else shorten(url);
              state = 'path';
              at--;
            }
          } else {
            state = 'path';
            at--;
          }
          break;

        case 'file slash':
          if (c === '/' || c === '\\') state = 'file host';
          else {
            if (base?.scheme === 'file:') {
              url.host = base.host;
              const [first] = base.path as string[];
              if (!startsWithWindowsLetter(rest(at)) && first !== undefined && isNormalizedWindowsLetter(first)) {
                (url.path as string[]).push(first);
              }
            }
            state = 'path';
            at--;
          }
          break;

        case 'file host':
          if (c === undefined || c === '/' || c === '\\' || c === '?' || c === '#') {
            at--;
            if (override === null && isWindowsLetter(buffer)) state = 'path';
            else if (buffer === '') {
              url.host = '';
              if (override !== null) return true;
              state = 'path start';
            } else {
              const host = parseHost(buffer, false);
              if (host === null) return false;
              url.host = host === 'localhost' ? '' : host;
              if (override !== null) return true;
              buffer = '';
              state = 'path start';
            }
          } else buffer += c;
          break;

        case 'path start':
          if (isSpecial(url)) {
            state = 'path';
            if (c !== '/' && c !== '\\') at--;
          } else if (override === null && c === '?') {
            url.query = '';
            state = 'query';
          } else if (override === null && c === '#') {
            url.fragment = '';
            state = 'fragment';
          } else if (c !== undefined) {
            state = 'path';
            if (c !== '/') at--;
          } else if (override !== null && url.host === null) (url.path as string[]).push('');
          break;

        case 'path': {
          const path = url.path as string[];
          const isSlash = c === '/' || (isSpecial(url) && c === '\\');
          if (c === undefined || isSlash || (override === null && (c === '?' || c === '#'))) {
            if (isDoubleDot(buffer)) {
              shorten(url);
              if (!isSlash) path.push('');
            } else if (isSingleDot(buffer)) {
              if (!isSlash) path.push('');
            } else {
              if (url.scheme === 'file:' && path.length === 0 && isWindowsLetter(buffer)) buffer = `${buffer[0]}:`;
              path.push(buffer);
            }
            buffer = '';
            if (c === '?') {
              url.query = '';
              state = 'query';
            } else if (c === '#') {
              url.fragment = '';
              state = 'fragment';
            }
          } else buffer += encode(c, pathSet);
          break;
        }

        case 'opaque path': {
          const stop = input.findIndex((one, i) => i >= at && (one === '?' || one === '#'));
          const end = stop < 0 ? input.length : stop;
          let text = encode(input.slice(at, end).join(''), controlSet);
          // A space at the end would be lost in the next serialization.
          if (stop >= 0 && text.endsWith(' ')) text = `${text.slice(0, -1)}%20`;
          url.path = text;
          at = end;
          if (input[end] === '?') {
            url.query = '';
            state = 'query';
          } else if (input[end] === '#') {
            url.fragment = '';
            state = 'fragment';
          }
          break;
        }

        case 'query': {
          const stop = override === null ? input.indexOf('#', at) : -1;
          const end = stop < 0 ? input.length : stop;
          url.query += encode(input.slice(at, end).join(''), isSpecial(url) ? specialQuerySet : querySet);
          at = end;
          if (input[end] === '#') {
            url.fragment = '';
            state = 'fragment';
          }
          break;
        }

        case 'fragment':
          url.fragment += encode(rest(at), fragmentSet);
          at = input.length;
          break;
      }
      if (at >= input.length) return true;
    }
  };

  const serializePath = (url: UrlRecord): string =>
    typeof url.path === 'string' ? url.path : url.path.map((segment) => `/${segment}`).join('');

  const serialize = (url: UrlRecord, withFragment: boolean): string => {
    let text = url.scheme;
    if (url.host !== null) {
      text += '//';
      if (url.username !== '' || url.password !== '') {
        text += `${url.username}${url.password === '' ? '' : `:${url.password}`}@`;
      }
      text += url.host + (url.port === null ? '' : `:${url.port}`);
    } else if (typeof url.path !== 'string' && url.path.length > 1 && url.path[0] === '') text += '/.';
    text += serializePath(url);
    if (url.query !== null) text += `?${url.query}`;
    if (withFragment && url.fragment !== null) text += `#${url.fragment}`;
    return text;
  };

  const parseUrl = (text: string, base: UrlRecord | null): UrlRecord | null => {
    const url = blank();
    return parseInto(url, text, base, null) ? url : null;
  };

  // ---- URLSearchParams ---------------------------------------------------------------------------------------------------------------

  /** What USVString does: a lone surrogate becomes U+FFFD. */
  const toText = (value: unknown): string => `${value as string}`.toWellFormed();

  const parseForm = (text: string): [string, string][] =>
    text
      .split('&')
      .filter((part) => part !== '')
      .map((part) => {
        const equals = part.indexOf('=');
        const name = equals < 0 ? part : part.slice(0, equals);
        const value = equals < 0 ? '' : part.slice(equals + 1);
        return [decode(name.replaceAll('+', ' ')), decode(value.replaceAll('+', ' '))];
      });
  const encodeForm = (text: string): string => encode(text, formSet).replaceAll('%20', '+');

  let setList: (params: URLSearchParams, list: [string, string][]) => void;
  let setOwner: (params: URLSearchParams, update: (query: string) => void) => void;

  class URLSearchParams {
    static {
      setList = (params, list) => {
        params.#list = list;
      };
      setOwner = (params, update) => {
        params.#update = update;
      };
    }
    #list: [string, string][] = [];
    /** Tells the URL that it belongs to. */
    #update: ((query: string) => void) | null = null;

    constructor(init: unknown = '') {
      if ((typeof init === 'object' || typeof init === 'function') && init !== null) {
        const iterate = (init as { [Symbol.iterator]?: unknown })[Symbol.iterator];
        if (iterate !== undefined && iterate !== null) {
          for (const pair of init as Iterable<Iterable<unknown>>) {
            if ((typeof pair !== 'object' && typeof pair !== 'function') || pair === null) {
              throw new TypeError('each parameter is a pair of a name and a value');
            }
            const both = [...pair];
            if (both.length !== 2) throw new TypeError('each parameter is a pair of a name and a value');
            this.#list.push([toText(both[0]), toText(both[1])]);
          }
        } else {
          for (const name of Reflect.ownKeys(init)) {
            if (Object.getOwnPropertyDescriptor(init, name)?.enumerable !== true) continue;
            const value = toText((init as Record<PropertyKey, unknown>)[name]);
            const key = toText(name);
            const known = this.#list.find(([one]) => one === key);
            if (known === undefined) this.#list.push([key, value]);
            else known[1] = value;
          }
        }
        return;
      }
      const text = toText(init);
      this.#list = parseForm(text[0] === '?' ? text.slice(1) : text);
    }
    #changed(): void {
      this.#update?.(this.toString());
    }
    get size(): number {
      return this.#list.length;
    }
    append(name: unknown, value: unknown): void {
      if (arguments.length < 2) throw new TypeError('append needs a name and a value');
      this.#list.push([toText(name), toText(value)]);
      this.#changed();
    }
    delete(name: unknown, value?: unknown): void {
      if (arguments.length < 1) throw new TypeError('delete needs a name');
      const key = toText(name);
      const text = value === undefined ? null : toText(value);
      this.#list = this.#list.filter(([one, other]) => one !== key || (text !== null && other !== text));
      this.#changed();
    }
    get(name: unknown): string | null {
      if (arguments.length < 1) throw new TypeError('get needs a name');
      const key = toText(name);
      return this.#list.find(([one]) => one === key)?.[1] ?? null;
    }
    getAll(name: unknown): string[] {
      if (arguments.length < 1) throw new TypeError('getAll needs a name');
      const key = toText(name);
      return this.#list.filter(([one]) => one === key).map(([, value]) => value);
    }
    has(name: unknown, value?: unknown): boolean {
      if (arguments.length < 1) throw new TypeError('has needs a name');
      const key = toText(name);
      const text = value === undefined ? null : toText(value);
      return this.#list.some(([one, other]) => one === key && (text === null || other === text));
    }
    set(name: unknown, value: unknown): void {
      if (arguments.length < 2) throw new TypeError('set needs a name and a value');
      const key = toText(name);
      const text = toText(value);
      const at = this.#list.findIndex(([one]) => one === key);
      if (at < 0) this.#list.push([key, text]);
      else {
        (this.#list[at] as [string, string])[1] = text;
        this.#list = this.#list.filter(([one], i) => one !== key || i === at);
      }
      this.#changed();
    }
    sort(): void {
      this.#list.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
      this.#changed();
    }
    forEach(callback: (value: string, name: string, params: URLSearchParams) => void, self?: unknown): void {
      if (typeof callback !== 'function') throw new TypeError('forEach needs a function');
      for (let i = 0; i < this.#list.length; i++) {
        const [name, value] = this.#list[i] as [string, string];
        callback.call(self, value, name, this);
      }
    }
    *entries(): IterableIterator<[string, string]> {
      for (let i = 0; i < this.#list.length; i++) yield [...(this.#list[i] as [string, string])];
    }
    *keys(): IterableIterator<string> {
      for (let i = 0; i < this.#list.length; i++) yield (this.#list[i] as [string, string])[0];
    }
    *values(): IterableIterator<string> {
      for (let i = 0; i < this.#list.length; i++) yield (this.#list[i] as [string, string])[1];
    }
    [Symbol.iterator](): IterableIterator<[string, string]> {
      return this.entries();
    }
    toString(): string {
      return this.#list.map(([name, value]) => `${encodeForm(name)}=${encodeForm(value)}`).join('&');
    }
    get [Symbol.toStringTag](): string {
      return 'URLSearchParams';
    }
  }

  // ---- URL ---------------------------------------------------------------------------------------------------------------------------

  class URL {
    #url: UrlRecord;
    readonly #params: URLSearchParams;

    constructor(text: unknown, base?: unknown) {
      if (arguments.length === 0) throw new TypeError('a URL needs an address');
      const parsed = URL.#parse(text, base);
      if (parsed === null) {
        const error = new TypeError('Invalid URL');
        Object.assign(error, { code: 'ERR_INVALID_URL', input: `${text as string}` });
        throw error;
      }
      this.#url = parsed;
      this.#params = new URLSearchParams();
      setList(this.#params, parseForm(parsed.query ?? ''));
      setOwner(this.#params, (query) => {
        this.#url.query = query === '' ? null : query;
      });
    }
    static #parse(text: unknown, base: unknown): UrlRecord | null {
      const baseUrl = base === undefined ? null : parseUrl(toText(base), null);
      if (base !== undefined && baseUrl === null) return null;
      return parseUrl(toText(text), baseUrl);
    }
    static canParse(text: unknown, base?: unknown): boolean {
      return URL.#parse(text, base) !== null;
    }
    static parse(text: unknown, base?: unknown): URL | null {
      return URL.#parse(text, base) === null ? null : new URL(text, base);
    }
    /** What a setter does. A failure changes nothing, but for a host whose port is wrong: the host stays, as the standard has it. */
    #change(text: string, state: State): void {
      parseInto(this.#url, text, null, state);
    }
    get #isOpaque(): boolean {
      return typeof this.#url.path === 'string';
    }
    get #hasNoAuthority(): boolean {
      return this.#url.host === null || this.#url.host === '' || this.#url.scheme === 'file:';
    }
    get href(): string {
      return serialize(this.#url, true);
    }
    set href(value: unknown) {
      const parsed = parseUrl(toText(value), null);
      if (parsed === null) throw new TypeError('Invalid URL');
      this.#url = parsed;
      setList(this.#params, parseForm(parsed.query ?? ''));
    }
    get origin(): string {
      const { scheme, host, port, path } = this.#url;
      if (scheme === 'blob:') {
        const inner = typeof path === 'string' ? parseUrl(path, null) : null;
        return inner !== null && (inner.scheme === 'http:' || inner.scheme === 'https:')
          ? `${inner.scheme}//${inner.host}${inner.port === null ? '' : `:${inner.port}`}`
          : 'null';
      }
      if (!isSpecialScheme(scheme) || scheme === 'file:') return 'null';
      return `${scheme}//${host}${port === null ? '' : `:${port}`}`;
    }
    get protocol(): string {
      return this.#url.scheme;
    }
    set protocol(value: unknown) {
      this.#change(`${toText(value)}:`, 'scheme start');
    }
    get username(): string {
      return this.#url.username;
    }
    set username(value: unknown) {
      if (!this.#hasNoAuthority) this.#url.username = encode(toText(value), userinfoSet);
    }
    get password(): string {
      return this.#url.password;
    }
    set password(value: unknown) {
      if (!this.#hasNoAuthority) this.#url.password = encode(toText(value), userinfoSet);
    }
    get host(): string {
      const { host, port } = this.#url;
      return `${host ?? ''}${port === null ? '' : `:${port}`}`;
    }
    set host(value: unknown) {
      if (!this.#isOpaque) this.#change(toText(value), 'host');
    }
    get hostname(): string {
      return this.#url.host ?? '';
    }
    set hostname(value: unknown) {
      if (!this.#isOpaque) this.#change(toText(value), 'hostname');
    }
    get port(): string {
      return this.#url.port === null ? '' : String(this.#url.port);
    }
    set port(value: unknown) {
      if (this.#hasNoAuthority) return;
      const text = toText(value);
      if (text === '') this.#url.port = null;
      else this.#change(text, 'port');
    }
    get pathname(): string {
      return serializePath(this.#url);
    }
    set pathname(value: unknown) {
      if (this.#isOpaque) return;
      this.#url.path = [];
      this.#change(toText(value), 'path start');
    }
    get search(): string {
      return this.#url.query === null || this.#url.query === '' ? '' : `?${this.#url.query}`;
    }
    set search(value: unknown) {
      const text = toText(value);
      if (text === '') this.#url.query = null;
      else {
        this.#url.query = '';
        this.#change(text[0] === '?' ? text.slice(1) : text, 'query');
      }
      setList(this.#params, parseForm(this.#url.query ?? ''));
    }
    get searchParams(): URLSearchParams {
      return this.#params;
    }
    get hash(): string {
      return this.#url.fragment === null || this.#url.fragment === '' ? '' : `#${this.#url.fragment}`;
    }
    set hash(value: unknown) {
      const text = toText(value);
      if (text === '') {
        this.#url.fragment = null;
        return;
      }
      this.#url.fragment = '';
      this.#change(text[0] === '#' ? text.slice(1) : text, 'fragment');
    }
    toString(): string {
      return serialize(this.#url, true);
    }
    toJSON(): string {
      return serialize(this.#url, true);
    }
    get [Symbol.toStringTag](): string {
      return 'URL';
    }
  }
  for (const name of ['href', 'origin', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname']) {
    Object.defineProperty(URL.prototype, name, { enumerable: true });
  }
  for (const name of ['search', 'searchParams', 'hash', 'toString', 'toJSON']) {
    Object.defineProperty(URL.prototype, name, { enumerable: true });
  }
  return { globals: { URL, URLSearchParams } };
}
