/** The small internet of the egress tests: which addresses exist, and what the DNS server says. */

export const httpPort = 80;
export const publicAddress = '93.184.216.34';
export const publicAddress6 = '2606:2800:220:1::34';
export const dnsAddress = '93.184.216.53';

/** The server's own address on the wire between the two namespaces, which is a private one. */
export const insideAddress = '10.9.9.1';

/** Of the outer world, reachable from inside, and not to be reached by workflows. */
export const forbiddenOutside = [
  '10.0.0.5',
  '172.16.0.5',
  '192.168.7.5',
  '100.64.0.5',
  '100.100.100.200',
  '168.63.129.16',
  '169.254.169.254',
  '169.254.7.7',
  '192.0.2.5',
  '198.18.0.5',
  '240.0.0.5',
  'fd12::5',
  'fd00:ec2::254',
  'fec0::5',
  // As translators of each kind would have them: 10.0.0.5 behind an IPv6 address.
  '64:ff9b::a00:5',
  '64:ff9b:1::5',
  '2002:a00:5::1',
] as const;

/** Of this machine. */
export const forbiddenInside = ['127.0.0.1', '127.0.0.9', '::1', insideAddress] as const;

const names: Readonly<Record<string, readonly string[]>> = {
  'public.test': [publicAddress],
  'public6.test': [publicAddress6],
  'private.test': ['10.0.0.5'],
  'metadata.test': ['169.254.169.254'],
  'loopback.test': ['127.0.0.1'],
  'unspecified.test': ['0.0.0.0'],
  'mapped.test': ['::ffff:10.0.0.5'],
  'mixed.test': [publicAddress, '10.0.0.5'],
  'mixed6.test': [publicAddress, 'fd12::5'],
  // bücher.test
  'xn--bcher-kva.test': ['10.0.0.5'],
};

/** `rebind.test` is public whenever somebody looks at it, and private the next time. */
export function answerDns(name: string, asked: number): string[] {
  const known = name.toLowerCase();
  if (known === 'rebind.test') return [asked % 2 === 0 ? publicAddress : '10.0.0.5'];
  return [...(names[known] ?? [])];
}
