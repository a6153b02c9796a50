import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import type { ResolveName } from '../../src/effects/name-resolver.ts';

export interface DnsServer {
  resolve: ResolveName;
  /** Names asked for, in order. */
  questions: string[];
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * A real DNS server on loopback that answers A questions with what `answer` gives, for the name and how often it was asked before;
 * `resolve` asks it over UDP.
 */
export async function startDnsServer(answer: (name: string, asked: number) => string[]): Promise<DnsServer> {
  const questions: string[] = [];
  const socket = createSocket('udp4');
  socket.on('message', (message, client) => {
    const { name, end } = readName(message);
    const asked = questions.filter((question) => question === name).length;
    questions.push(name);
    socket.send(encodeAnswer(message, end, answer(name, asked)), client.port, client.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const resolver = new Resolver({ timeout: 2_000, tries: 1 });
  resolver.setServers([`127.0.0.1:${socket.address().port}`]);
  return {
    questions,
    resolve: (hostname) => resolver.resolve4(hostname),
    async [Symbol.asyncDispose]() {
      resolver.cancel();
      await new Promise<void>((resolve) => socket.close(() => resolve()));
    },
  };
}

/** The first question's name, and the offset after its type and class. */
function readName(message: Buffer): { name: string; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = message.readUInt8(at); length > 0; length = message.readUInt8(at)) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.'), end: at + 5 };
}

/** RFC 1035, 4.1: the question again, then one A record for each address, its name a pointer to the question's, TTL 0. */
function encodeAnswer(question: Buffer, end: number, addresses: string[]): Buffer {
  const head = Buffer.from(question.subarray(0, end));
  head.writeUInt16BE(0x8180, 2);
  head.writeUInt16BE(addresses.length, 6);
  head.writeUInt16BE(0, 8);
  head.writeUInt16BE(0, 10);
  const records = addresses.map((address) =>
    Buffer.from([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...address.split('.').map(Number)]),
  );
  return Buffer.concat([head, ...records]);
}
