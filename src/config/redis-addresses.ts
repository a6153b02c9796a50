/** Where a Redis is: `a:6379`, or several nodes of one Cluster, `a:6379,b:6379`. */
export interface RedisAddress {
  host: string;
  port: number;
}

export const redisAddressesExpected =
  'host:port, or several of one Cluster with commas between, such as "a:6379,b:6379"';

const portDefault = 6379;
const addressPattern = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,255})(?::(\d{1,5}))?$/;

/** Null for a text that is none. */
export function parseRedisAddresses(text: string): RedisAddress[] | null {
  const addresses: RedisAddress[] = [];
  for (const part of text.split(',')) {
    const match = addressPattern.exec(part.trim());
    const port = match?.[2] === undefined ? portDefault : Number(match[2]);
    if (match === null || port < 1 || port > 65_535) return null;
    addresses.push({ host: (match[1] as string).replace(/^\[|\]$/g, ''), port });
  }
  return addresses.length <= 100 ? addresses : null;
}
