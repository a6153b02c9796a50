import assert from 'node:assert/strict';
import { test } from 'node:test';
import { contextOf } from './calls.ts';
import { MailServer, mailConfig, mailEffect, plainMail, scriptedServer, sendMail } from './mail-server.ts';

test('a mail is handed over with a login and under TLS, with everything that it says', async () => {
  await using server = await new MailServer().start();
  using effect = mailEffect(mailConfig(server));
  const sent = await sendMail(effect, {
    to: ['Ana <ana@example.com>', 'ben@example.com'],
    cc: 'cleo@example.com, dan@example.com',
    bcc: ['eve@example.com'],
    replyTo: 'help@example.com',
    subject: 'Grüße',
    html: '<p>It is <b>on its way</b>.</p>',
    attachments: [
      { name: 'order.csv', content: 'a;b\n', encoding: 'text' },
      { name: 'seal.bin', type: 'application/x-seal', content: Buffer.from([0, 255, 1]).toString('base64') },
    ],
    headers: { 'List-Unsubscribe': '<https://example.com/stop>' },
  });
  assert.equal(sent.ok, true, JSON.stringify(sent));
  const all = ['ana', 'ben', 'cleo', 'dan', 'eve'].map((name) => `${name}@example.com`);
  assert.deepEqual([sent.accepted, sent.rejected], [all, []]);
  assert.match(String(sent.response), /^250 .*taken/);
  const [mail] = server.received;
  assert.ok(mail !== undefined);
  const { source, ...envelope } = mail;
  assert.deepEqual(envelope, { from: 'shop@example.com', to: all, user: 'shop@example.com', isEncrypted: true });
  for (const line of [
    /^From: Shop <shop@example\.com>$/m,
    /^To: Ana <ana@example\.com>, ben@example\.com$/m,
    /^Cc: cleo@example\.com, dan@example\.com$/m,
    /^Reply-To: help@example\.com$/m,
    /^Subject: =\?UTF-8\?/m,
    /^List-Unsubscribe: <https:\/\/example\.com\/stop>$/m,
    /^Content-Type: text\/csv; name=order\.csv$/m,
    /^Content-Type: application\/x-seal; name=seal\.bin$/m,
    /AP8B/,
  ]) {
    assert.match(source.replaceAll('\r', ''), line);
  }
  assert.ok(!source.includes('eve@example.com'));
});

test('a repeat has the same Message-ID, and another call another one', async () => {
  await using server = await new MailServer().start();
  using effect = mailEffect(mailConfig(server));
  const [first, again, other, foreign] = [
    await sendMail(effect),
    await sendMail(effect),
    await sendMail(effect, {}, { ...contextOf(), idempotencyKey: 'key-2' }),
    await sendMail(effect, {}, { ...contextOf(), workflow: 'another' }),
  ];
  assert.match(String(first?.messageId), /^<[0-9a-f]{40}@example\.com>$/);
  assert.equal(again?.messageId, first?.messageId);
  assert.equal(new Set([first, other, foreign].map((sent) => sent?.messageId)).size, 3);
  assert.ok(server.received[0]?.source.includes(`Message-ID: ${first?.messageId}\r\n`));
  assert.equal(server.connections, 1);
});

test('an address that is refused beside others is told, and a mail that nobody may get fails', async () => {
  await using server = await new MailServer({
    onRcptTo: ({ address }, _session, done) =>
      address.startsWith('nobody') ? done(Object.assign(new Error('no such mailbox'), { responseCode: 550 })) : done(),
  }).start();
  using effect = mailEffect(mailConfig(server));
  const some = await sendMail(effect, { to: ['ana@example.com', 'nobody@example.com'] });
  assert.deepEqual([some.ok, some.accepted, some.rejected], [true, ['ana@example.com'], ['nobody@example.com']]);
  const none = await sendMail(effect, { to: 'nobody@example.com' });
  assert.deepEqual([none.ok, none.reason, none.status, none.retryable], [false, 'refused', 550, false]);
  assert.match(
    String(none.message),
    /^mail to nobody@example\.com: 127\.0\.0\.1:\d+ refused the mail: .*no such mailbox/,
  );
});

test('a 4xx may be repeated, a 5xx may not, and both tell the number', async () => {
  for (const [responseCode, retryable] of [
    [451, true],
    [554, false],
  ] as const) {
    await using server = await new MailServer({
      onData: (stream, _session, done) => {
        stream.resume();
        stream.on('end', () => done(Object.assign(new Error('not like this'), { responseCode })));
      },
    }).start();
    using effect = mailEffect(mailConfig(server));
    const sent = await sendMail(effect);
    assert.deepEqual([sent.ok, sent.code, sent.reason], [false, 'effect_failed', 'refused']);
    assert.deepEqual([sent.status, sent.retryable], [responseCode, retryable]);
  }
});

test('a wrong password and a missing one are told as such, and the password is not', async () => {
  await using server = await new MailServer().start();
  using wrong = mailEffect(mailConfig(server, { password: 'wrong-password' }));
  const refused = await sendMail(wrong);
  assert.deepEqual([refused.reason, refused.status, refused.retryable], ['auth', 535, false]);
  assert.match(String(refused.message), /\[mail\] user and password/);
  assert.ok(!JSON.stringify(refused).includes('wrong-password'));
  using none = mailEffect(mailConfig(server, { password: null }));
  assert.deepEqual((await sendMail(none)).ok, false);
  assert.equal(server.received.length, 0);
});

test('without TLS where it is asked for, or with a certificate of nobody, nothing is sent', async () => {
  await using server = await new MailServer().start();
  using untrusting = mailEffect(mailConfig(server, { ca: null }));
  const untrusted = await sendMail(untrusting);
  assert.deepEqual([untrusted.reason, untrusted.retryable], ['tls', false], JSON.stringify(untrusted));
  await using plain = await new MailServer({
    hideSTARTTLS: true,
    disabledCommands: ['STARTTLS'],
    authOptional: true,
  }).start();
  using careful = mailEffect(mailConfig(plain, { password: null }));
  const refused = await sendMail(careful);
  assert.equal(refused.reason, 'tls', JSON.stringify(refused));
  assert.equal(plain.received.length, 0);
  using careless = mailEffect(mailConfig(plain, { password: null, tls: 'none' }));
  assert.equal((await sendMail(careless)).ok, true);
  assert.equal(plain.received[0]?.isEncrypted, false);
});

test('TLS from the start', async () => {
  await using server = await new MailServer({ secure: true }).start();
  using effect = mailEffect(mailConfig(server, { tls: 'implicit' }));
  assert.equal((await sendMail(effect)).ok, true);
  assert.equal(server.received[0]?.isEncrypted, true);
});

test('a server that is not there has got nothing, and may be tried again', async () => {
  const gone = await scriptedServer(null, () => null);
  await gone[Symbol.asyncDispose]();
  using effect = mailEffect(mailConfig(gone));
  const sent = await sendMail(effect);
  assert.deepEqual([sent.ok, sent.reason, sent.retryable], [false, 'connect', true], JSON.stringify(sent));
  assert.match(String(sent.message), /Nothing was sent$/);
});

test('a server that dies in the middle leaves it open whether the mail was taken', async () => {
  let isInMessage = false;
  await using server = await scriptedServer('220 here', (line, socket) => {
    if (isInMessage) {
      if (line === '.') socket.destroy();
      return null;
    }
    if (line.startsWith('EHLO')) return '250 here';
    if (line === 'DATA') {
      isInMessage = true;
      return '354 go on';
    }
    return '250 ok';
  });
  using effect = mailEffect(mailConfig(server, { password: null, tls: 'none' }));
  const sent = await sendMail(effect);
  assert.deepEqual([sent.ok, sent.reason, sent.retryable], [false, 'connection_lost', true], JSON.stringify(sent));
  assert.match(String(sent.message), /not known whether the mail was taken$/);
});

test('a slow server is left when the call is given up, and the next mail goes', async () => {
  let isSlow = true;
  await using server = await new MailServer({
    onMailFrom: (_address, _session, done) => {
      if (!isSlow) done();
    },
  }).start();
  using effect = mailEffect(mailConfig(server));
  const ending = new AbortController();
  const waiting = sendMail(effect, {}, contextOf(ending.signal));
  while (server.connections === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  ending.abort();
  assert.deepEqual([(await waiting).ok, (await waiting).reason], [false, 'aborted']);
  isSlow = false;
  assert.equal((await sendMail(effect)).ok, true);
  assert.equal(server.received.length, 1);
});

const refusals: [what: string, change: object, told: RegExp][] = [
  ['a line break in the subject', { subject: 'a\r\nBcc: x@example.com' }, /subject: .*line break/],
  ['a line break in an address', { to: 'ana@example.com\nbcc: x@example.com' }, /to: .*line break/],
  ['a line break in a header', { headers: { 'X-A': 'a\r\nBcc: x@example.com' } }, /headers\.X-A: .*line break/],
  ['a name that is none', { headers: { 'X-A: b\r\nBcc': 'x@example.com' } }, /headers: /],
  ['a header that a field makes', { headers: { BCC: 'x@example.com' } }, /headers: got "BCC"/],
  ['a line break in the name of a file', { attachments: [{ name: 'a\nb', content: '' }] }, /attachments\[0\]\.name/],
  [
    'a line break in a type',
    { attachments: [{ name: 'a', type: 'a/b\r\nX: y', content: '' }] },
    /attachments\[0\]\.type/,
  ],
  ['what is no base64', { attachments: [{ name: 'a', content: 'not base64!' }] }, /attachments\[0\]\.content/],
  ['a path instead of content', { attachments: [{ name: 'a', path: '/etc/passwd' }] }, /attachments\[0\]\.content/],
  ['what is no address', { to: 'ana' }, /to: got "ana"/],
  ['two senders', { from: 'a@example.com, b@example.com' }, /from: /],
  ['nobody', { to: [] }, /to: got no address/],
  ['too many', { to: Array.from({ length: 6 }, (_, i) => `a${i}@example.com`) }, /got 6 addresses, allowed is 5/],
  ['too much', { text: 'x'.repeat(100_001) }, /100001 bytes; at most 100000 \(\[mail\] max_bytes\)/],
  ['nothing said', { text: undefined }, /text: got no text and no html/],
];

for (const [what, change, told] of refusals) {
  test(`a mail is refused before anything is sent: ${what}`, async () => {
    await using server = await new MailServer().start();
    using effect = mailEffect(mailConfig(server));
    const sent = await sendMail(effect, change);
    assert.equal(sent.ok, false);
    assert.match(String(sent.message), told);
    assert.equal(sent.retryable, false);
    assert.equal(server.connections, 0);
  });
}

test('without a mail server the call says what to set, and a file that is missing stops the start', async () => {
  using effect = mailEffect(null);
  assert.deepEqual((await sendMail(effect)).reason, 'not_configured');
  assert.throws(
    () => mailEffect(mailConfig({ port: 1, caFile: '/nowhere/ca.pem' })),
    /\[mail\] ca: \/nowhere\/ca\.pem/,
  );
});

test('the history says to whom it goes', () => {
  using effect = mailEffect(null);
  assert.equal(effect.isSafe('{}'), false);
  assert.equal(effect.describe(JSON.stringify(plainMail)), 'mail to ana@example.com');
  assert.equal(effect.describe('{"to":["a@b","c@d"],"cc":"e@f"}'), 'mail to a@b and 2 more');
});
