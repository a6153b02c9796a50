import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { isIPv4 } from 'node:net';
import { parseIpAddress } from '../../src/config/ip-address.ts';
import type { ResolveName } from '../../src/effects/http/name-resolver.ts';

export interface DnsServer {
  /** Asks the server over UDP for A records, past the system's resolver. */
  resolve: ResolveName;
  /** Names asked for, in order; once for each type of record. */
  questions: string[];
  [Symbol.asyncDispose](): Promise<void>;
}

const typeA = 1;
const typeAaaa = 28;

/**
 * A real DNS server that answers A and AAAA questions with those addresses of `answer` that are of the type, with a TTL of 0;
 * `asked` is how often the name was asked for with that type before. On loopback and a free port unless `place` says where.
 */
export async function startDnsServer(
  answer: (name: string, asked: number) => string[],
  place: { host: string; port: number } = { host: '127.0.0.1', port: 0 },
): Promise<DnsServer> {
  const questions: string[] = [];
  const askedBefore = new Map<string, number>();
  const socket = createSocket('udp4');
  socket.on('message', (message, client) => {
    const { name, type, end } = readQuestion(message);
    const asked = askedBefore.get(`${type} ${name}`) ?? 0;
    askedBefore.set(`${type} ${name}`, asked + 1);
    questions.push(name);
    const addresses = answer(name, asked).filter((address) => (isIPv4(address) ? typeA : typeAaaa) === type);
    socket.send(encodeAnswer(message, end, type, addresses), client.port, client.address);
  });
  await new Promise<void>((resolve) => socket.bind(place.port, place.host, resolve));
  const resolver = new Resolver({ timeout: 2_000, tries: 1 });
  resolver.setServers([`${place.host}:${socket.address().port}`]);
  return {
    questions,
    resolve: (hostname) => resolver.resolve4(hostname),
    async [Symbol.asyncDispose]() {
      resolver.cancel();
      await new Promise<void>((resolve) => socket.close(() => resolve()));
    },
  };
}

/** The first question's name and type, and the offset after its class. */
function readQuestion(message: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = message.readUInt8(at); length > 0; length = message.readUInt8(at)) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.'), type: message.readUInt16BE(at + 1), end: at + 5 };
}

/** RFC 1035, 4.1: the question again, then one record for each address, its name a pointer to the question's, TTL 0. */
function encodeAnswer(question: Buffer, end: number, type: number, addresses: string[]): Buffer {
  const head = Buffer.from(question.subarray(0, end));
  head.writeUInt16BE(0x8180, 2);
  head.writeUInt16BE(addresses.length, 6);
  head.writeUInt16BE(0, 8);
  head.writeUInt16BE(0, 10);
  const records = addresses.map((address) => {
    const bytes = parseIpAddress(address);
    if (bytes === null) throw new TypeError(`${address} is no address`);
    return Buffer.from([0xc0, 0x0c, 0, type, 0, 1, 0, 0, 0, 0, 0, bytes.length, ...bytes]);
  });
  return Buffer.concat([head, ...records]);
}
