import { NflowError } from '../errors.ts';
import {
  type AddressBlock,
  formatIpAddress,
  type IpAddress,
  isInBlock,
  networkOf,
  parseAddressBlock,
} from './ip-address.ts';

/** What `[egress] allow` opens. Built once from the configuration. */
export interface EgressAllowList {
  /** `hostname` as a URL writes it, without a trailing dot. */
  allowsName(hostname: string, port: number): boolean;
  allowsAddress(address: IpAddress, port: number): boolean;
}

/** A null port is any port. */
type Entry = { port: number | null } & ({ name: string } | { block: AddressBlock });

/** What an entry may be, for messages. */
export const egressEntryForms =
  'host, host:port, CIDR or CIDR:port, such as "stock.internal", "127.0.0.1:8080", "10.0.0.0/8" or "[fd00::/8]:443"';

/** Reads the entries. Throws NflowError `invalid_config` that names the entry. */
export function parseEgressAllow(entries: readonly string[]): EgressAllowList {
  const parsed = entries.map((entry, index) => {
    try {
      return parseEntry(entry);
    } catch (error) {
      throw error instanceof EntryRefused ? refusedEntry(entry, index, error.message) : error;
    }
  });
  return {
    allowsName: (hostname, port) =>
      parsed.some((entry) => 'name' in entry && entry.name === hostname && (entry.port ?? port) === port),
    allowsAddress: (address, port) =>
      parsed.some((entry) => 'block' in entry && isInBlock(address, entry.block) && (entry.port ?? port) === port),
  };
}

/** What is wrong with an entry, as the rest of a sentence that begins with it; null when it can be read. */
export function egressEntryProblem(entry: string): string | null {
  try {
    parseEntry(entry);
    return null;
  } catch (error) {
    if (error instanceof EntryRefused) return error.message;
    throw error;
  }
}

class EntryRefused extends Error {}

function parseEntry(entry: string): Entry {
  const { host, port } = splitPort(entry);
  const block = parseAddressBlock(host);
  if (block !== null) {
    const network = networkOf(block);
    if (network.some((byte, i) => byte !== block.base[i])) {
      throw new EntryRefused(`has bits after its prefix; write "${formatIpAddress(network)}/${block.prefix}"`);
    }
    return { block, port };
  }
  if (!/^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?$/.test(host)) {
    throw new EntryRefused('is not a name, an address or a CIDR');
  }
  const name = withoutTrailingDot(host.toLowerCase());
  // A number in a form such as 0x7f.1 or 2130706433 is a name by its letters and an address to whoever connects.
  const asUrl = URL.canParse(`http://${name}`) ? new URL(`http://${name}`).hostname : null;
  if (asUrl !== name) {
    throw new EntryRefused(asUrl === null ? 'is not a valid name' : `means ${asUrl}; write that`);
  }
  return { name, port };
}

function splitPort(entry: string): { host: string; port: number | null } {
  const bracketed = /^\[([^[\]]*)\](?::(\d*))?$/.exec(entry);
  if (bracketed !== null) return { host: bracketed[1] as string, port: parsePort(bracketed[2]) };
  // More than one colon and no brackets: an IPv6 address or CIDR without a port.
  const colon = entry.indexOf(':');
  if (colon === -1 || colon !== entry.lastIndexOf(':')) return { host: entry, port: null };
  return { host: entry.slice(0, colon), port: parsePort(entry.slice(colon + 1)) };
}

function parsePort(text: string | undefined): number | null {
  if (text === undefined) return null;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw new EntryRefused('has a port outside 1 to 65535');
  return port;
}

function refusedEntry(entry: string, index: number, problem: string): NflowError {
  return new NflowError('invalid_config', `[egress] allow[${index}] "${entry}" ${problem}`, {
    got: entry,
    expected: egressEntryForms,
    remedy: 'Correct the entry in [egress] allow, or remove it.',
  });
}

/** `stock.internal.` is `stock.internal` with the root written out. */
export function withoutTrailingDot(hostname: string): string {
  return hostname.endsWith('.') ? hostname.slice(0, -1) : hostname;
}
