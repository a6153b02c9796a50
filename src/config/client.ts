/** Where the commands that talk to a running server find it. */
export interface ClientSettings {
  /** Base address without a trailing slash. */
  server: string;
  /** Sent as a bearer token; null when there is none. */
  token: string | null;
}

/** `--server` over `NFLOW_SERVER` over the default address; the token is `NFLOW_TOKEN`. */
export function readClientSettings(
  serverFlag: string | undefined,
  env: Readonly<Record<string, string | undefined>> = process.env,
): ClientSettings {
  const server = serverFlag ?? (env.NFLOW_SERVER || 'http://127.0.0.1:8080');
  return { server: server.replace(/\/+$/, ''), token: env.NFLOW_TOKEN || null };
}
