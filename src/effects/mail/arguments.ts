import type { EffectTraits } from '../../protocol/effect-traits.ts';

export const mailTraits: EffectTraits = { kind: 'mail', resource: null, isCacheable: false, isConfined: false };

export const attachmentEncodings = ['base64', 'text'] as const;
export type AttachmentEncoding = (typeof attachmentEncodings)[number];

/** The arguments of the effect `mail`, as code and nodes send them. */
export interface MailArguments {
  /** Addresses such as `ana@example.com` or `Ana <ana@example.com>`; several as an array, or with commas. */
  to: string | string[];
  cc?: string | string[];
  bcc?: string | string[];
  /** Default: `[mail] from`. */
  from?: string;
  replyTo?: string | string[];
  subject: string;
  text?: string;
  html?: string;
  attachments?: MailAttachment[];
  /** Further headers, such as `List-Unsubscribe`. */
  headers?: Record<string, string>;
}

export interface MailAttachment {
  /** As the reader of the mail sees it. */
  name: string;
  /** Default: what the name's ending says. */
  type?: string;
  content: string;
  /** How `content` stands for bytes. Default: `base64`. */
  encoding?: AttachmentEncoding;
}

/** What a mail server said to a message that it took. */
export interface SentMail {
  /** The same on every repeat of the call. */
  messageId: string;
  accepted: string[];
  /** Addresses that the server refused while it took others. */
  rejected: string[];
  /** The server's own words. */
  response: string;
}
