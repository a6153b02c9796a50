/**
 * Decides where an outgoing request may go. A name is resolved once, every address it has is checked, and what comes back are the
 * checked addresses: the connection is made to those and to nothing else, so a name that answers differently the next time
 * (DNS rebinding) gains nothing. Each hop of a redirect passes here again.
 */

import type { EgressAllowList } from '../../config/egress-allow.ts';
import { withoutTrailingDot } from '../../config/egress-allow.ts';
import { addressKey, formatIpAddress, type IpAddress, parseIpAddress } from '../../config/ip-address.ts';
import { type RefusedRange, refusedRangeOf } from './address-ranges.ts';
import { errorCodeOf, HttpFailure } from './failure.ts';
import type { ResolveName } from './name-resolver.ts';
import type { TlsProfile } from './tls-profiles.ts';

/** Where a request may be sent: the origin it asked for, and the addresses that were checked for it. */
export interface CheckedTarget {
  /** `http://stock.internal:8080`, as the URL has it. */
  origin: string;
  secure: boolean;
  /** The name for `Host`, SNI and the certificate; an address without brackets when the URL has one. */
  hostname: string;
  port: number;
  /** At least one, in the order in which they are tried. */
  addresses: string[];
  /** `addressKey` of each of `addresses`. */
  addressKeys: ReadonlySet<string>;
  /** How the call that it was checked for speaks TLS; absent: as usual. */
  tls?: TlsProfile;
}

export interface EgressGuard {
  /**
   * Rejects with HttpFailure: `egress_denied` for a refused scheme or address, `dns` when the name has none, and with
   * `signal.reason` when the signal is aborted first.
   */
  check(url: URL, signal: AbortSignal): Promise<CheckedTarget>;
}

export function createEgressGuard(allow: EgressAllowList, resolve: ResolveName): EgressGuard {
  return {
    async check(url, signal) {
      if (url.protocol !== 'http:' && url.protocol !== 'https:') {
        throw new HttpFailure('egress_denied', `the scheme ${url.protocol} is refused: only http: and https: are sent`);
      }
      const secure = url.protocol === 'https:';
      const port = url.port === '' ? (secure ? 443 : 80) : Number(url.port);
      const hostname = withoutTrailingDot(url.hostname.replace(/^\[|\]$/g, ''));
      const literal = parseIpAddress(hostname);
      const texts = literal === null ? await resolveWithin(hostname, resolve, signal) : [hostname];
      const addresses = texts.map((text) => {
        const address = parseIpAddress(text);
        if (address === null)
          throw new HttpFailure('egress_denied', `${hostname} has the address ${text}, which is scoped to a zone`);
        return address;
      });
      // One refused address refuses the name: which address a connection ends up at must not be left to chance or to timing.
      for (const address of addresses) {
        const range = refusal(address, port, literal === null && allow.allowsName(hostname, port), allow);
        if (range !== null) throw deniedFailure(address, range, hostname, port, addresses);
      }
      return {
        origin: url.origin,
        secure,
        hostname,
        port,
        addresses: addresses.map(formatIpAddress),
        addressKeys: new Set(addresses.map(addressKey)),
      };
    },
  };
}

/** The range for which an address is refused, null when it may be connected to. */
function refusal(address: IpAddress, port: number, nameAllowed: boolean, allow: EgressAllowList): RefusedRange | null {
  const range = refusedRangeOf(address);
  if (range === null) return null;
  const opened = allow.allowsAddress(address, port) || (nameAllowed && range.openedByName);
  if (!opened) return range;
  if (range.embeddedIpv4At === null) return null;
  return refusal(address.subarray(range.embeddedIpv4At, range.embeddedIpv4At + 4), port, false, allow);
}

function deniedFailure(
  address: IpAddress,
  range: RefusedRange,
  hostname: string,
  port: number,
  all: readonly IpAddress[],
): HttpFailure {
  const text = formatIpAddress(address);
  const isLiteral = parseIpAddress(hostname) !== null;
  const entryHost = isLiteral || !range.openedByName ? (address.length === 16 ? `[${text}]` : text) : hostname;
  const resolved = isLiteral
    ? ''
    : all.length === 1
      ? `${hostname} resolves to ${text}; `
      : `${hostname} resolves to ${all.map(formatIpAddress).join(', ')}, and one refused address refuses the name; `;
  return new HttpFailure(
    'egress_denied',
    `${resolved}${text} is ${range.what} (${range.source}), where nFlow does not connect unless [egress] allow names it. ` +
      `If the workflow may call it, add "${entryHost}:${port}" to allow under [egress] in the configuration`,
  );
}

async function resolveWithin(hostname: string, resolve: ResolveName, signal: AbortSignal): Promise<string[]> {
  signal.throwIfAborted();
  let stopWaiting: () => void = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stopWaiting = () => reject(signal.reason);
    signal.addEventListener('abort', stopWaiting, { once: true });
  });
  try {
    const addresses = await Promise.race([resolve(hostname), aborted]);
    if (addresses.length > 0) return addresses;
  } catch (error) {
    if (signal.aborted) throw error;
    throw unresolvedFailure(hostname, errorCodeOf(error), error);
  } finally {
    signal.removeEventListener('abort', stopWaiting);
  }
  throw unresolvedFailure(hostname, 'no address', undefined);
}

function unresolvedFailure(hostname: string, code: string, cause: unknown): HttpFailure {
  const unknownName = code === 'ENOTFOUND' || code === 'no address';
  return new HttpFailure(
    'dns',
    unknownName
      ? `no address is known for ${hostname} (${code}). Check the spelling, and that this server's DNS knows the name`
      : `the address of ${hostname} could not be found out (${code}). Check this server's DNS`,
    !unknownName,
    cause,
  );
}
