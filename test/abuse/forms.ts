/** The forms of abuse: what a client does on a connection of its own, and what may come of it. */
import type { AbuseClient, Answer } from './client.ts';

export interface AbuseForm {
  name: string;
  /** Does it for the `n`-th time; says what came of it. */
  play(client: AbuseClient, n: number): Promise<string>;
  /** Everything that may come of it; anything else is a failure. */
  allowed: readonly string[];
}

/** What `play` says when the server did not answer and ended the connection. */
const ended = 'ended';

/** Answers `{ ok, keys, polluted }` of a JSON body: see `abuseWorkflows`. */
const path = '/abuse';
const head = `POST ${path} HTTP/1.1\r\nHost: x\r\n`;
const json = 'Content-Type: application/json\r\n';

function post(headers: string, body: string | Buffer): Buffer {
  const bytes = Buffer.from(body as string);
  return Buffer.concat([Buffer.from(`${head}${headers}Content-Length: ${bytes.length}\r\n\r\n`), bytes]);
}

const wellFormed = post(json, '{"a":1}');

function said(answer: Answer | null): string {
  if (answer === null) return ended;
  return answer.code === '' ? String(answer.status) : `${answer.status} ${answer.code}`;
}

/** Takes turns through the bytes, one of them each time; a good request behind it shows whether the connection still serves. */
function refused(name: string, all: readonly (string | Buffer)[], expected: string): AbuseForm {
  return {
    name,
    allowed: [`${expected}, then 200`],
    async play(client, n) {
      client.send(all[n % all.length] as string);
      const first = said(await client.answer());
      client.send(wellFormed);
      return `${first}, then ${said(await client.answer())}`;
    },
  };
}

/** As `refused`, where nothing behind it may be taken for a request: the connection must end. */
function cutOff(name: string, all: readonly (string | Buffer)[], expected: string): AbuseForm {
  return {
    name,
    allowed: [expected],
    async play(client, n) {
      client.send(all[n % all.length] as string);
      const first = said(await client.answer());
      if (!(await client.ended())) return `${first}, and the connection stays`;
      return client.unread === 0 ? first : `${first}, and more`;
    },
  };
}

/** Reached by nothing but a request that was smuggled behind another: the test sees that it never ran. */
export const smuggledWorkflow = 'smuggled';
const smuggled = `POST /smuggled HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n`;

const smugglingForms: readonly string[] = [
  `${head}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
  `${head}Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n${smuggled}`,
  `${head}Content-Length: 0\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
  `${head}Content-Length: 0, ${smuggled.length}\r\n\r\n${smuggled}`,
  `${head}Content-Length: +0\r\n\r\n${smuggled}`,
  `${head}Content-Length: 0x0\r\n\r\n${smuggled}`,
  `${head}Content-Length: -1\r\n\r\n${smuggled}`,
  `${head}Content-Length: 0 0\r\n\r\n${smuggled}`,
  `${head}Content-Length:\r\n\r\n${smuggled}`,
  `${head}Content-Length : 0\r\n\r\n${smuggled}`,
  `${head} Content-Length: 0\r\n\r\n${smuggled}`,
  `${head}Content-Length: 18446744073709551616\r\n\r\n${smuggled}`,
  `${head}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${smuggled}`,
  `${head}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n${smuggled}`,
  `${head}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n${smuggled}`,
  `${head}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n${smuggled}`,
  `${head}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n${smuggled}`,
  `${head}Transfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n${smuggled}`,
  `POST ${path} HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
  `${head}X: a\rContent-Length: 0\r\n\r\n${smuggled}`,
  `${head}X: a\nContent-Length: 0\r\n\r\n${smuggled}`,
  `${head}X: a\0b\r\nContent-Length: 0\r\n\r\n${smuggled}`,
  `${head}X: a\r\n folded\r\nContent-Length: 0\r\n\r\n${smuggled}`,
  `${head}X y: a\r\nContent-Length: 0\r\n\r\n${smuggled}`,
  `${head}Content-Length: 0\r\n\n${smuggled}`,
  `POST ${path} HTTP/1.1\nHost: x\nContent-Length: 0\n\n${smuggled}`,
  `POST\t${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n${smuggled}`,
  `POST ${path} HTTP/1.1 \r\nHost: x\r\nContent-Length: 0\r\n\r\n${smuggled}`,
  `POST ${path} HTTP/1.1\r\nHost: x\r\nHost: y\r\nContent-Length: 0\r\n\r\n${smuggled}`,
  `POST ${path} HTTP/1.1\r\nContent-Length: 0\r\n\r\n${smuggled}`,
  `${head}Transfer-Encoding: chunked\r\n\r\n1\n1\n0\n\n${smuggled}`,
  `${head}Transfer-Encoding: chunked\r\n\r\n0;a\nb\r\n\r\n${smuggled}`,
  `${head}Transfer-Encoding: chunked\r\n\r\n0 \r\n\r\n${smuggled}`,
  `${head}Transfer-Encoding: chunked\r\n\r\n-0\r\n\r\n${smuggled}`,
  `${head}Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n${smuggled}`,
  `${head}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n${smuggled}`,
  `${head}${json}Transfer-Encoding: chunked\r\n\r\n1\r\n12\r\n0\r\n\r\n${smuggled}`,
  `${head}${json}Transfer-Encoding: chunked\r\n\r\n1\r\n1\r\n0\r\nContent-Length: 9\r\n\r\n${smuggled}`,
];

/** A small generator with a seed, so that the same `n` is the same garbage. */
function garbage(n: number, size: number): Buffer {
  let state = (n + 1) * 2_654_435_761;
  return Buffer.from(
    Array.from({ length: size }, () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state >>> 24;
    }),
  );
}

const pipelined = 20;

export interface AbuseSizes {
  /** `[server] max_body_bytes` of the server. */
  bodySizeMax: number;
}

export function abuseForms({ bodySizeMax }: AbuseSizes): AbuseForm[] {
  const tooLarge = bodySizeMax + 1;
  return [
    refused(
      'malformed JSON',
      [
        '{"a":',
        '{a:1}',
        "{'a':1}",
        '[1,]',
        '{"a":1,}',
        'nope',
        '01',
        '"\t"',
        '{"a":1}}',
        '\u00a0{}',
        '1 2',
        '"\\x"',
        '+1',
      ].map((text) => post(json, text)),
      '400 bad_body',
    ),
    refused(
      'deep JSON',
      [
        '['.repeat(65) + ']'.repeat(65),
        `${'{"a":'.repeat(65)}1${'}'.repeat(65)}`,
        '['.repeat(50_000),
        `${'[{"a":'.repeat(50)}1${'}]'.repeat(50)}`,
      ].map((text) => post(json, text)),
      '400 bad_body',
    ),
    refused(
      'invalid UTF-8',
      [
        Buffer.from([0x22, 0xff, 0x22]),
        Buffer.from([0x22, 0xc3, 0x22]),
        Buffer.from([0x22, 0xc0, 0xaf, 0x22]),
        Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]),
        Buffer.from([0x22, 0xf5, 0x80, 0x80, 0x80, 0x22]),
      ].flatMap((bytes) => [post(json, bytes), post('Content-Type: text/plain\r\n', bytes)]),
      '400 bad_body',
    ),
    {
      name: '__proto__ in JSON',
      allowed: ['200 untouched'],
      async play(client, n) {
        const bodies = [
          '{"__proto__":{"polluted":true}}',
          '{"constructor":{"prototype":{"polluted":true}}}',
          '{"__proto__":null,"toString":1}',
          '{"a":{"__proto__":{"polluted":true}}}',
        ];
        client.send(post(json, bodies[n % bodies.length] as string));
        const answer = await client.answer();
        if (answer?.status !== 200) return said(answer);
        const { ok, polluted } = JSON.parse(answer.body) as { ok: boolean; polluted: unknown };
        return ok && polluted === null ? '200 untouched' : `200 ${answer.body}`;
      },
    },
    cutOff(
      'a body too large, announced',
      [
        `${head}${json}Content-Length: ${Math.max(tooLarge, 100_000)}\r\n\r\n[`,
        `${head}Expect: 100-continue\r\nContent-Length: ${tooLarge}\r\n\r\n`,
      ],
      '413 body_too_large',
    ),
    cutOff(
      'a body too large, in chunks',
      [
        `${head}Transfer-Encoding: chunked\r\n\r\n${`400\r\n${'x'.repeat(1024)}\r\n`.repeat(Math.ceil(tooLarge / 1024))}`,
      ],
      '413 body_too_large',
    ),
    cutOff(
      'an address too long',
      [`GET /${'a'.repeat(9_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, `GET /${'a'.repeat(60_000)}`],
      '414 uri_too_long',
    ),
    cutOff(
      'headers too large',
      [
        `${head}X: ${'a'.repeat(17_000)}\r\n\r\n`,
        `${head}X: ${'a'.repeat(60_000)}`,
        `${head}${'a: bcdefgh\r\n'.repeat(3_000)}\r\n`,
      ],
      '431 headers_too_large',
    ),
    refused(
      'what does not exist yet',
      [post('Prefer: respond-async\r\n', ''), post('Idempotency-Key: k\r\n', '')],
      '501 not_available',
    ),
    refused(
      'bodies of other kinds',
      [
        post('Content-Type: multipart/form-data; boundary=x\r\n', '--x--'),
        post('Content-Type: application/json; charset=utf-16\r\n', '{}'),
        post(`${json}Content-Encoding: gzip\r\n`, 'x'),
      ],
      '415 unsupported_media_type',
    ),
    cutOff('requests that could be read in two ways', smugglingForms, '400 invalid_input'),
    cutOff('CONNECT', [`CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n${smuggled}`], '405 method_not_allowed'),
    {
      name: 'Upgrade',
      allowed: ['200, then 200'],
      async play(client, n) {
        const [upgrade, more] = n % 2 === 0 ? ['websocket', ''] : ['h2c', 'HTTP2-Settings: AAMAAABk\r\n'];
        client.send(post(`${json}Connection: Upgrade\r\nUpgrade: ${upgrade}\r\n${more}`, '{}'));
        const first = said(await client.answer());
        client.send(wellFormed);
        return `${first}, then ${said(await client.answer())}`;
      },
    },
    cutOff('another expectation', [`${head}Expect: miracles\r\nContent-Length: 1\r\n\r\n1`], '400 invalid_input'),
    {
      name: 'garbage',
      allowed: ['400 invalid_input', '408 request_timeout'],
      async play(client, n) {
        client.send(garbage(n, 200));
        const first = said(await client.answer());
        return (await client.ended()) ? first : `${first}, and the connection stays`;
      },
    },
    {
      name: 'garbage behind a request',
      allowed: ['200, then 400 invalid_input', '200, then 408 request_timeout', ended],
      async play(client, n) {
        client.send(Buffer.concat([wellFormed, garbage(n, 100)]));
        const first = await client.answer();
        if (first === null) return ended;
        const second = said(await client.answer());
        return `${said(first)}, then ${second}`;
      },
    },
    cutOff('headers that do not come to an end', ['POST', `${head}X-Slow: `, `${head}${json}`], '408 request_timeout'),
    cutOff(
      'bodies that do not come to an end',
      [
        `${head}${json}Content-Length: 100\r\n\r\n{"a"`,
        `${head}${json}Transfer-Encoding: chunked\r\n\r\n5\r\n{"a`,
        `${head}Content-Length: 1\r\n\r\n`,
      ],
      '408 request_timeout',
    ),
    cutOff('connections without a word', [''], '408 request_timeout'),
    {
      name: 'pipelining',
      allowed: ['in order'],
      async play(client) {
        const request = (n: number): Buffer => post(json, `{"n":${n}}`);
        client.send(Buffer.concat(Array.from({ length: pipelined }, (_, n) => request(n))));
        for (let n = 0; n < pipelined; n++) {
          const answer = await client.answer();
          if (answer?.status !== 200) return said(answer);
          if ((JSON.parse(answer.body) as { n: number }).n !== n) return 'out of order';
        }
        return 'in order';
      },
    },
    {
      name: 'half-closed after the request',
      allowed: ['200', ended],
      async play(client) {
        client.send(wellFormed);
        client.halfClose();
        const first = said(await client.answer());
        return (await client.ended()) ? first : `${first}, and the connection stays`;
      },
    },
    {
      name: 'half-closed within the request',
      allowed: ['400 invalid_input', ended],
      async play(client, n) {
        client.send(wellFormed.subarray(0, 1 + (n % (wellFormed.length - 1))));
        client.halfClose();
        const first = said(await client.answer());
        return (await client.ended()) ? first : `${first}, and the connection stays`;
      },
    },
    {
      name: 'gone within the body',
      allowed: ['gone'],
      async play(client, n) {
        client.send(wellFormed.subarray(0, wellFormed.length - 1 - (n % 20)));
        await new Promise((resolve) => setImmediate(resolve));
        client.reset();
        return 'gone';
      },
    },
    {
      name: 'gone before the answer',
      allowed: ['gone'],
      async play(client) {
        client.send(wellFormed);
        await new Promise((resolve) => setImmediate(resolve));
        client.reset();
        return 'gone';
      },
    },
    {
      name: 'gone without reading answers',
      allowed: ['gone'],
      async play(client) {
        client.stopReading();
        client.send(Buffer.concat(Array.from({ length: 8 }, () => post(`${json}X-Large: 1\r\n`, '{"large":100000}'))));
        await new Promise((resolve) => setTimeout(resolve, 20));
        client.reset();
        return 'gone';
      },
    },
  ];
}

/** What the forms are played against. */
export const abuseWorkflows: Record<string, object> = {
  abuse: {
    format: 1,
    name: 'abuse',
    triggers: [{ type: 'http', method: 'POST', path }],
    durability: 'ephemeral',
    nodes: {
      look: {
        type: 'code',
        code: `const body = input.body ?? {};
return { ok: true, n: body.n ?? null, polluted: ({}).polluted ?? null, filling: 'x'.repeat(body.large ?? 0) };`,
      },
    },
  },
  [smuggledWorkflow]: {
    format: 1,
    name: smuggledWorkflow,
    triggers: [{ type: 'http', method: 'POST', path: '/smuggled' }],
    durability: 'ephemeral',
    nodes: { reached: { type: 'code', code: 'return "reached";' } },
  },
};
