import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';

/** Headers by which proxies say that a request is not the sender's own. */
const forwardingHeaders = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-real-ip', 'via'];

/** What is believed of the proxies in front of the server: `[server] trust_proxy`. */
export class ProxyTrust {
  readonly #proxies = new BlockList();

  /** Addresses and CIDR ranges of either family. */
  constructor(entries: readonly string[]) {
    for (const entry of entries) {
      const [address = '', prefix] = entry.split('/');
      const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
      if (prefix === undefined) this.#proxies.addAddress(address, family);
      else this.#proxies.addSubnet(address, Number(prefix), family);
    }
  }

  /** True when somebody handed the request on, a known proxy or not. */
  isForwarded(request: IncomingMessage): boolean {
    return forwardingHeaders.some((name) => request.headers[name] !== undefined);
  }

  /** Host and port as the client knows them. */
  hostOf(request: IncomingMessage): string | undefined {
    const forwarded = request.headers['x-forwarded-host'];
    const isKnown = typeof forwarded === 'string' && this.#isProxy(request.socket.remoteAddress);
    return isKnown ? forwarded.split(',', 1)[0]?.trim() : request.headers.host;
  }

  /** Address of the client: the last one in the chain that is not a known proxy. */
  clientOf(request: IncomingMessage): string {
    const peer = plainAddress(request.socket.remoteAddress ?? '');
    const header = request.headers['x-forwarded-for'];
    const chain = typeof header === 'string' ? header.split(',').map((hop) => plainAddress(hop.trim())) : [];
    let client = peer;
    while (this.#isProxy(client)) {
      const before = chain.pop();
      if (before === undefined || isIP(before) === 0) break;
      client = before;
    }
    return client;
  }

  #isProxy(address: string | undefined): boolean {
    if (address === undefined) return false;
    const plain = plainAddress(address);
    const version = isIP(plain);
    return version !== 0 && this.#proxies.check(plain, version === 6 ? 'ipv6' : 'ipv4');
  }
}

/** A socket that takes both families shows IPv4 as a part of IPv6. */
function plainAddress(address: string): string {
  return address.toLowerCase().startsWith('::ffff:') && isIP(address.slice(7)) === 4 ? address.slice(7) : address;
}
