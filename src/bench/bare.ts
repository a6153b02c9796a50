import { type BenchChild, startChild } from './child.ts';
import { benchScript } from './script.ts';

export interface BareServer {
  port: number;
  stop(): Promise<void>;
}

/** Starts `bare-server.ts`, which answers this JSON text to everything. */
export async function startBareServer(answer: string): Promise<BareServer> {
  const child: BenchChild = startChild(benchScript('bare-server'));
  const ready = child.message<{ port: number }>();
  child.process.send({ answer });
  const { port } = await ready;
  return { port, stop: child.stop };
}

/** Starts `bare-proxy.ts`, which sends every request on to that port. */
export async function startBareProxy(targetPort: number): Promise<BareServer> {
  const child: BenchChild = startChild(benchScript('bare-proxy'));
  const ready = child.message<{ port: number }>();
  child.process.send({ targetPort });
  const { port } = await ready;
  return { port, stop: child.stop };
}
