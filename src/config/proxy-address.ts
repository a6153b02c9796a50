/** A proxy that is spoken to in plain HTTP, with a user and a password or without. */
export function isProxyAddress(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, pathname, search, hash } = new URL(text);
  return protocol === 'http:' && hostname !== '' && pathname === '/' && search === '' && hash === '';
}
