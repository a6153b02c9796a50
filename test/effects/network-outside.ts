/**
 * The world outside of a server, in a network namespace of its own: listeners on every address there is, and a DNS server that lies.
 * Started by network-inside.ts; tells what it saw when a line comes in, and ends with its input.
 */
import { createInterface } from 'node:readline';
import { startDnsServer } from './dns-server.ts';
import { listenEverywhere } from './listener.ts';
import { answerDns, dnsAddress, httpPort } from './network-plan.ts';

const listener = await listenEverywhere(httpPort);
const dns = await startDnsServer(answerDns, { host: dnsAddress, port: 53 });
process.stdout.write('up\n');
createInterface({ input: process.stdin })
  .on('line', () => {
    const { accepted, requests } = listener;
    process.stdout.write(`${JSON.stringify({ accepted, requests, questions: dns.questions })}\n`);
  })
  .on('close', () => process.exit(0));
