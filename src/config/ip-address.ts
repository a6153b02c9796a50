import { isIPv4, isIPv6 } from 'node:net';

/** An address as its bytes, 4 or 16 of them: two texts of one address (`::1`, `0:0:0:0:0:0:0:1`) are one value. */
export type IpAddress = Uint8Array;

/**
 * Reads a textual address, without brackets. Null for anything else: names, numbers in other bases (a URL has already turned
 * those into dotted decimal) and scoped addresses such as `fe80::1%eth0`, whose zone would be lost.
 */
export function parseIpAddress(text: string): IpAddress | null {
  if (isIPv4(text)) return Uint8Array.from(text.split('.'), Number);
  if (!isIPv6(text) || text.includes('%')) return null;
  return parseIpv6(text);
}

/** `isIPv6` has checked the grammar: what is left is to expand `::` and a dotted tail. */
function parseIpv6(text: string): IpAddress {
  const [head = '', tail] = text.split('::');
  const front = bytesOf(head);
  const back = tail === undefined ? [] : bytesOf(tail);
  const bytes = new Uint8Array(16);
  bytes.set(front, 0);
  bytes.set(back, 16 - back.length);
  return bytes;
}

function bytesOf(groups: string): number[] {
  if (groups === '') return [];
  return groups.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number);
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}

/** The same text for every spelling of one address: a key for sets and maps. */
export function addressKey(address: IpAddress): string {
  return Buffer.from(address).toString('hex');
}

/** A block of addresses: those whose first `prefix` bits are those of `base`. */
export interface AddressBlock {
  base: IpAddress;
  prefix: number;
}

/** Reads `10.0.0.0/8`, `fd00::/8` or a single address. Null when it is neither. Bits after the prefix are kept as written. */
export function parseAddressBlock(text: string): AddressBlock | null {
  const slash = text.indexOf('/');
  const base = parseIpAddress(slash === -1 ? text : text.slice(0, slash));
  if (base === null) return null;
  const bits = base.length * 8;
  if (slash === -1) return { base, prefix: bits };
  const length = text.slice(slash + 1);
  const prefix = /^\d{1,3}$/.test(length) ? Number(length) : Number.NaN;
  return prefix <= bits ? { base, prefix } : null;
}

export function isInBlock(address: IpAddress, block: AddressBlock): boolean {
  if (address.length !== block.base.length) return false;
  const wholeBytes = block.prefix >> 3;
  for (let i = 0; i < wholeBytes; i++) if (address[i] !== block.base[i]) return false;
  const restBits = block.prefix & 7;
  if (restBits === 0) return true;
  const shift = 8 - restBits;
  return (address[wholeBytes] as number) >> shift === (block.base[wholeBytes] as number) >> shift;
}

/** The block with the bits after its prefix cleared. */
export function networkOf(block: AddressBlock): IpAddress {
  return block.base.map((byte, i) => {
    const bits = Math.min(8, Math.max(0, block.prefix - i * 8));
    return byte & (0xff << (8 - bits));
  });
}

/** Dotted decimal, or IPv6 as RFC 5952 writes it. */
export function formatIpAddress(address: IpAddress): string {
  if (address.length === 4) return address.join('.');
  const groups = Array.from({ length: 8 }, (_, i) =>
    (((address[2 * i] as number) << 8) | (address[2 * i + 1] as number)).toString(16),
  );
  // A URL's host is already written by those rules: the longest run of zeros once, lower case.
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}
