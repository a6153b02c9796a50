/** Hosts that something is bound to: a secret, a client certificate. */

export const hostEntryExpected =
  'a host such as api.example.com or *.example.com (https on port 443), or with a port such as 10.0.0.5:8080';

const labelPattern = /^(?:\*\.)?[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?$/;
const ipv6Pattern = /^\[[0-9a-f:.]{2,45}\]$/;

interface HostEntry {
  host: string;
  isWildcard: boolean;
  /** Null: https on port 443. */
  port: number | null;
}

/** Null when it is none. */
export function parseHostEntry(text: string): HostEntry | null {
  const [, hostText = '', portText] = /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(text.toLowerCase()) ?? [];
  if (!labelPattern.test(hostText) && !ipv6Pattern.test(hostText)) return null;
  const port = portText === undefined ? null : Number(portText);
  if (port !== null && (port < 1 || port > 65_535)) return null;
  const isWildcard = hostText.startsWith('*.');
  return { host: isWildcard ? hostText.slice(1) : hostText, isWildcard, port };
}

export function isHostEntry(text: string): boolean {
  return parseHostEntry(text) !== null;
}

/** Whether one of the entries names where the address leads. Without a port an entry means https, so that nobody reads it on the way. */
export function allowsAddress(hosts: readonly string[], url: URL): boolean {
  const host = url.hostname.toLowerCase().replace(/\.$/, '');
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
  return hosts.some((text) => {
    const entry = parseHostEntry(text);
    if (entry === null) return false;
    const isHost = entry.isWildcard ? host.endsWith(entry.host) : host === entry.host;
    return isHost && (entry.port === null ? url.protocol === 'https:' && port === 443 : port === entry.port);
  });
}
