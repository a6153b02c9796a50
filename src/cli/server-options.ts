import type { Command } from 'commander';
import { readClientSettings } from '../config/client.ts';
import { ServerApi } from './server-api.ts';

export interface ServerOptions {
  server?: string;
  data: string;
}

/** Options of the commands that talk to a running server. */
export function addServerOptions(command: Command): Command {
  return command
    .option('-s, --server <url>', 'address of the server (default: NFLOW_SERVER, else http://127.0.0.1:8080)')
    .option('-d, --data <folder>', 'data folder of a server on this machine, for its admin token', '.nflow');
}

export function serverApiOf({ server, data }: ServerOptions): ServerApi {
  return new ServerApi(readClientSettings(server, undefined, data));
}
