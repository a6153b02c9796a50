import { createHash } from 'node:crypto';
import addressparser from 'nodemailer/lib/addressparser';
import type { Attachment, SendMailOptions } from 'nodemailer/lib/mailer';
import { CallArguments, isRecord } from '../call-arguments.ts';
import { EffectFailure, invalidCall } from '../effect-failure.ts';
import type { EffectContext } from '../port.ts';
import { attachmentEncodings } from './arguments.ts';

export interface MessageLimits {
  /** Who it is from when the call does not say. */
  from: string | null;
  recipientsMax: number;
  /** Texts and attachments together. */
  bytesMax: number;
}

/** What RFC 5322 says of the names of headers. */
const headerNamePattern = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,76}$/;
/** Written by nFlow or by the fields of the call; one of these among `headers` would be there twice. */
const ownHeaderPattern =
  /^(?:from|to|cc|bcc|sender|reply-to|subject|date|message-id|mime-version|content-.*|received|return-path|dkim-signature|resent-.*)$/i;
const headersMax = 50;
const headerLengthMax = 2000;
const attachmentsMax = 50;
const mediaTypePattern =
  /^[A-Za-z0-9!#$&^_.+-]{1,100}\/[A-Za-z0-9!#$&^_.+-]{1,100}(?:; ?charset="?[A-Za-z0-9_-]{1,40}"?)?$/;
const addressPattern = /^[^\s@<>()[\]\\,;:"]{1,64}@[^\s@<>()\\,;:"]{1,255}$/;

/** A message as nodemailer takes it. What could add a header, a recipient or a file of this machine is refused, not repaired. */
export function messageOf(argumentsJson: string, context: EffectContext, limits: MessageLimits): SendMailOptions {
  const given = new CallArguments(argumentsJson);
  const [to, cc, bcc] = (['to', 'cc', 'bcc'] as const).map((name) => addressesOf(name, given.value(name)));
  const count = [to, cc, bcc].reduce((sum, list) => sum + (list?.length ?? 0), 0);
  if (count === 0) throw invalidCall('to', 'no address', 'at least one address in to, cc or bcc');
  if (count > limits.recipientsMax) {
    throw invalidCall('to, cc and bcc', `${count} addresses`, `${limits.recipientsMax} ([mail] max_recipients)`);
  }
  const from = fromOf(given, limits);
  const text = given.optionalText('text');
  const html = given.optionalText('html');
  if (text === null && html === null) throw invalidCall('text', 'no text and no html', 'one of them, or both');
  const attachments = attachmentsOf(given.value('attachments'));
  const bytes = [text ?? '', html ?? '', ...attachments.map(({ content }) => content as Buffer)].reduce(
    (sum, part) => sum + Buffer.byteLength(part),
    0,
  );
  if (bytes > limits.bytesMax) {
    throw new EffectFailure('too_large', `the mail has ${bytes} bytes; at most ${limits.bytesMax} ([mail] max_bytes)`);
  }
  return {
    from,
    to,
    cc,
    bcc,
    replyTo: addressesOf('replyTo', given.value('replyTo')),
    subject: oneLine('subject', given.text('subject'), 998),
    ...(text === null ? {} : { text }),
    ...(html === null ? {} : { html }),
    attachments,
    headers: headersOf(given.value('headers')),
    messageId: messageIdOf(context, from.address),
  };
}

/** Of the key, so that who keeps mail can tell a repeat; the workflow is in it, because a key of its own is its own only. */
function messageIdOf({ workflow, idempotencyKey }: EffectContext, from: string): string {
  const hash = createHash('sha256').update(`${workflow}\n${idempotencyKey}`).digest('hex').slice(0, 40);
  return `<${hash}@${from.slice(from.lastIndexOf('@') + 1)}>`;
}

interface Mailbox {
  name: string;
  address: string;
}

function fromOf(given: CallArguments, limits: MessageLimits): Mailbox {
  const named = given.optionalText('from') ?? limits.from;
  if (named === null) throw invalidCall('from', 'nothing', 'an address, here or in [mail] from');
  const [from, ...more] = addressesOf('from', named);
  if (from === undefined || more.length > 0) throw invalidCall('from', show(named), 'one address');
  return from;
}

function addressesOf(field: string, value: unknown): Mailbox[] {
  if (value === null) return [];
  const expected = 'an address such as ana@example.com or "Ana <ana@example.com>", or an array of them';
  return (Array.isArray(value) ? value : [value]).flatMap((one) => {
    if (typeof one !== 'string') throw invalidCall(field, one === null ? 'null' : `a ${typeof one}`, expected);
    const parsed = addressparser(oneLine(field, one, 10_000), { flatten: true });
    if (parsed.length === 0) throw invalidCall(field, show(one), expected);
    for (const { address } of parsed) if (!addressPattern.test(address)) throw invalidCall(field, show(one), expected);
    return parsed.map(({ name, address }) => ({ name, address }));
  });
}

function headersOf(value: unknown): Record<string, string> {
  if (value === null) return {};
  if (!isRecord(value)) throw invalidCall('headers', 'no object', 'an object of names and texts');
  const entries = Object.entries(value).filter(([, text]) => text !== null);
  if (entries.length > headersMax) throw invalidCall('headers', `${entries.length} of them`, `at most ${headersMax}`);
  for (const [name, text] of entries) {
    if (!headerNamePattern.test(name)) throw invalidCall('headers', show(name), 'names of headers');
    if (ownHeaderPattern.test(name)) {
      throw invalidCall('headers', show(name), 'headers that are not made of the other fields, or by nFlow itself');
    }
    if (typeof text !== 'string') throw invalidCall(`headers.${name}`, `a ${typeof text}`, 'a text');
    oneLine(`headers.${name}`, text, headerLengthMax);
  }
  return Object.fromEntries(entries) as Record<string, string>;
}

function attachmentsOf(value: unknown): Attachment[] {
  if (value === null) return [];
  if (!Array.isArray(value)) throw invalidCall('attachments', 'no array', 'an array of { name, type, content }');
  if (value.length > attachmentsMax) {
    throw invalidCall('attachments', `${value.length} of them`, `at most ${attachmentsMax}`);
  }
  return value.map((one: unknown, index): Attachment => {
    const field = `attachments[${index}]`;
    if (!isRecord(one)) throw invalidCall(field, 'no object', '{ name, type, content }');
    const { name, type = null, content, encoding = 'base64' } = one;
    if (typeof name !== 'string' || name === '') throw invalidCall(`${field}.name`, 'no text', 'the name of a file');
    if (type !== null && (typeof type !== 'string' || !mediaTypePattern.test(type))) {
      throw invalidCall(`${field}.type`, show(String(type)), 'a media type such as application/pdf');
    }
    if (typeof content !== 'string') throw invalidCall(`${field}.content`, `a ${typeof content}`, 'a text');
    if (!attachmentEncodings.includes(encoding as 'text')) {
      throw invalidCall(`${field}.encoding`, show(String(encoding)), `one of ${attachmentEncodings.join(', ')}`);
    }
    return {
      filename: oneLine(`${field}.name`, name, 255),
      content: encoding === 'text' ? Buffer.from(content, 'utf8') : fromBase64(`${field}.content`, content),
      ...(type === null ? {} : { contentType: type }),
    };
  });
}

function fromBase64(field: string, content: string): Buffer {
  const bytes = Buffer.from(content, 'base64');
  // Node skips what does not belong there: another file than was meant would arrive.
  if (bytes.toString('base64').replace(/=+$/, '') !== content.replace(/=+$/, '')) {
    throw invalidCall(field, 'text that is not base64', 'base64, or a text with "encoding": "text"');
  }
  return bytes;
}

/** A line break in it would begin another header. */
function oneLine(field: string, text: string, lengthMax: number): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  if (/[\u0000-\u0008\u000a-\u001f\u007f]/.test(text)) {
    throw invalidCall(field, 'a line break or another control character', 'one line');
  }
  if (text.length > lengthMax) throw invalidCall(field, `${text.length} characters`, `at most ${lengthMax}`);
  return text;
}

function show(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}
