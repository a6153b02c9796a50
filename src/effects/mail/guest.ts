import type { EffectHost, EffectPart, EffectStep } from '../../guest/effect-host.ts';
import type { MailArguments } from './arguments.ts';

/** `ctx.mail`. Evaluated inside the isolate, see `guest/effect-host.ts`. */
export function createMailPart(host: EffectHost): EffectPart {
  const timeoutMsDefault = 30_000;

  class GuestMail {
    readonly #step: EffectStep;
    constructor(step: EffectStep) {
      this.#step = step;
    }
    send(message: MailArguments): Promise<unknown> {
      try {
        const { to, cc, bcc, from, replyTo, subject, text, html, attachments, headers } = message ?? {};
        const given = { to, cc, bcc, from, replyTo, subject, text, html, attachments, headers };
        const options = host.optionsOf(message, timeoutMsDefault);
        return this.#step.issue('mail', host.toJson(given, 'the mail'), options);
      } catch (error) {
        return Promise.reject(error);
      }
    }
  }
  host.close(GuestMail);

  return { member: (step) => new GuestMail(step) };
}
