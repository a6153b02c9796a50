import { isIP, isIPv4, isIPv6 } from 'node:net';

const hostNamePattern =
  /^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/;

function isPort(text: string): boolean {
  return /^[1-9]\d{0,4}$/.test(text) && Number(text) <= 65_535;
}

function isCidr(text: string): boolean {
  const slash = text.lastIndexOf('/');
  const address = text.slice(0, slash);
  const prefix = text.slice(slash + 1);
  if (!/^\d{1,3}$/.test(prefix)) return false;
  return (isIPv4(address) && Number(prefix) <= 32) || (isIPv6(address) && Number(prefix) <= 128);
}

/** True for `host`, `host:port`, `[v6]:port`, an address of either family, or a CIDR range. */
export function isEgressEntry(text: string): boolean {
  if (isIP(text) !== 0) return true;
  if (text.includes('/')) return isCidr(text);
  if (text.startsWith('[')) {
    const end = text.indexOf(']');
    const rest = text.slice(end + 1);
    return isIPv6(text.slice(1, end)) && (rest === '' || (rest.startsWith(':') && isPort(rest.slice(1))));
  }
  const colon = text.lastIndexOf(':');
  const host = colon === -1 ? text : text.slice(0, colon);
  if (colon !== -1 && !isPort(text.slice(colon + 1))) return false;
  // A name of digits and dots alone that is no address is a mistyped address.
  return isIPv4(host) || (hostNamePattern.test(host) && !/^[\d.]+$/.test(host));
}
