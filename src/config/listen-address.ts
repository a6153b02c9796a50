export interface ListenAddress {
  host: string;
  /** 0: a free one. */
  port: number;
}

export const listenAddressExpected = 'host:port, such as "127.0.0.1:9090" or "[::1]:9090"';

const pattern = /^(?:([A-Za-z0-9._-]{1,255})|\[([0-9A-Fa-f:.]{2,45})\]):([0-9]{1,5})$/;

/** Null when the text is no `host:port`. */
export function parseListenAddress(text: string): ListenAddress | null {
  const match = pattern.exec(text);
  if (match === null || Number(match[3]) > 65_535) return null;
  return { host: (match[1] ?? match[2]) as string, port: Number(match[3]) };
}
