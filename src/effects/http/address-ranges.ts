/**
 * The addresses to which nFlow does not connect unless `[egress] allow` names them: one table, with the document that takes each
 * range out of the public internet. Sources: the IANA special-purpose registries for IPv4 and IPv6 (RFC 6890) and the clouds'
 * documentation for their metadata services.
 */
import { type AddressBlock, type IpAddress, isInBlock, parseAddressBlock } from '../../config/ip-address.ts';

export interface RefusedRange {
  /** Such as `127.0.0.0/8`. */
  cidr: string;
  /** What it is, for a sentence: "127.0.0.1 is … (RFC 1122)". */
  what: string;
  source: string;
  /**
   * True when an `[egress] allow` entry that is a *name* opens it too: the ranges where services live. Ranges that no service
   * should be in (metadata, link-local, multicast …) take an entry with the address, so that whoever controls the zone of an
   * allowed name cannot point it at them.
   */
  openedByName: boolean;
  /** Offset of an IPv4 address inside the address: a translator would go on to it, so it is checked as well. */
  embeddedIpv4At: number | null;
}

type Row = [cidr: string, what: string, source: string, flags?: { openedByName?: true; embeddedIpv4At?: number }];

const service = { openedByName: true } as const;

/** The first match counts: narrow ranges stand before the wide ones around them. */
const rows: Row[] = [
  // IPv4
  ['0.0.0.0/32', 'the unspecified address, which the system takes as this machine', 'RFC 1122'],
  ['0.0.0.0/8', 'an address of "this network"', 'RFC 791'],
  ['10.0.0.0/8', 'a private address', 'RFC 1918', service],
  ['100.100.100.200/32', 'the metadata service of Alibaba Cloud', 'Alibaba Cloud ECS'],
  ['100.64.0.0/10', 'a carrier-grade NAT address', 'RFC 6598', service],
  ['127.0.0.0/8', 'a loopback address', 'RFC 1122', service],
  ['168.63.129.16/32', 'the platform service of Azure', 'Microsoft Azure'],
  ['169.254.169.254/32', 'the metadata service of cloud machines', 'RFC 3927'],
  ['169.254.0.0/16', 'a link-local address', 'RFC 3927'],
  ['172.16.0.0/12', 'a private address', 'RFC 1918', service],
  ['192.0.0.0/24', 'an IETF protocol assignment', 'RFC 6890'],
  ['192.0.2.0/24', 'a documentation address', 'RFC 5737'],
  ['192.88.99.0/24', 'a 6to4 relay address', 'RFC 7526'],
  ['192.168.0.0/16', 'a private address', 'RFC 1918', service],
  ['198.18.0.0/15', 'a benchmarking address', 'RFC 2544'],
  ['198.51.100.0/24', 'a documentation address', 'RFC 5737'],
  ['203.0.113.0/24', 'a documentation address', 'RFC 5737'],
  ['224.0.0.0/4', 'a multicast address', 'RFC 5771'],
  ['255.255.255.255/32', 'the broadcast address', 'RFC 919'],
  ['240.0.0.0/4', 'a reserved address', 'RFC 1112'],
  // IPv6
  ['::/128', 'the unspecified address, which the system takes as this machine', 'RFC 4291'],
  ['::1/128', 'the loopback address', 'RFC 4291', service],
  ['::ffff:0:0/96', 'an IPv4-mapped address', 'RFC 4291', { embeddedIpv4At: 12 }],
  ['::ffff:0:0:0/96', 'an IPv4-translated address', 'RFC 2765', { embeddedIpv4At: 12 }],
  ['::/96', 'an IPv4-compatible address', 'RFC 4291', { embeddedIpv4At: 12 }],
  ['64:ff9b::/96', 'a NAT64 address', 'RFC 6052', { embeddedIpv4At: 12 }],
  ['64:ff9b:1::/48', 'a local-use NAT64 address', 'RFC 8215'],
  ['100::/64', 'a discard-only address', 'RFC 6666'],
  ['2001::/32', 'a Teredo address', 'RFC 4380'],
  ['2001:2::/48', 'a benchmarking address', 'RFC 5180'],
  ['2001:db8::/32', 'a documentation address', 'RFC 3849'],
  ['2001::/23', 'an IETF protocol assignment', 'RFC 2928'],
  ['2002::/16', 'a 6to4 address', 'RFC 3056', { embeddedIpv4At: 2 }],
  ['3fff::/20', 'a documentation address', 'RFC 9637'],
  ['5f00::/16', 'a segment routing identifier', 'RFC 9602'],
  ['fd00:ec2::/32', 'a metadata or platform service of AWS', 'AWS EC2'],
  ['fd20:ce::254/128', 'the metadata service of Google Cloud', 'Google Compute Engine'],
  ['fc00::/7', 'a unique local address', 'RFC 4193', service],
  ['fe80::/10', 'a link-local address', 'RFC 4291'],
  ['fec0::/10', 'a site-local address', 'RFC 3879'],
  ['ff00::/8', 'a multicast address', 'RFC 4291'],
];

/** Everything of IPv6 outside this block is either named above or not assigned to anybody. */
const globalUnicast = block('2000::/3');
const unassigned: RefusedRange = {
  cidr: '::/0',
  what: 'outside the global unicast addresses',
  source: 'RFC 4291',
  openedByName: false,
  embeddedIpv4At: null,
};

export const refusedRanges: readonly RefusedRange[] = rows.map(([cidr, what, source, flags]) => ({
  cidr,
  what,
  source,
  openedByName: flags?.openedByName ?? false,
  embeddedIpv4At: flags?.embeddedIpv4At ?? null,
}));

const blocks = refusedRanges.map((range) => block(range.cidr));

/** The range that takes an address out of the public internet; null when it is a public one. */
export function refusedRangeOf(address: IpAddress): RefusedRange | null {
  for (let i = 0; i < blocks.length; i++) {
    if (isInBlock(address, blocks[i] as AddressBlock)) return refusedRanges[i] as RefusedRange;
  }
  return address.length === 16 && !isInBlock(address, globalUnicast) ? unassigned : null;
}

function block(cidr: string): AddressBlock {
  const parsed = parseAddressBlock(cidr);
  if (parsed === null) throw new Error(`${cidr} in the table of address ranges is not a CIDR`);
  return parsed;
}
