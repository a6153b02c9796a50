import type { NodemailerError } from 'nodemailer/lib/errors';
import { EffectFailure } from '../effect-failure.ts';

const responseLengthMax = 500;

/** What nodemailer says, as a workflow sees it: `status` is the number that the mail server answered. */
export function mailFailureOf(error: unknown, server: string): EffectFailure {
  const failure = (error ?? {}) as NodemailerError;
  const { code = '', responseCode, command } = failure;
  const said = (failure.response ?? failure.message ?? String(error)).replace(/\s+/g, ' ').slice(0, responseLengthMax);
  if (responseCode !== undefined && command !== 'STARTTLS') {
    const isTemporary = failure.permanent !== true;
    const remedy = isTemporary ? 'It may be taken later.' : 'It will not be taken as it is.';
    const reason = code === 'EAUTH' ? 'auth' : 'refused';
    const what = reason === 'auth' ? 'does not take [mail] user and password' : `refused the mail`;
    return new EffectFailure(reason, `${server} ${what}: ${said}. ${reason === 'auth' ? '' : remedy}`.trim(), {
      retryable: isTemporary,
      status: responseCode,
      cause: error,
    });
  }
  if (code === 'EABORT')
    return new EffectFailure('aborted', 'the execution has ended, or the server stops', { cause: error });
  if (code === 'EAUTH' || code === 'ENOAUTH') {
    return new EffectFailure('auth', `${server} could not be logged in to: ${said}. Look at [mail] user and password`, {
      cause: error,
    });
  }
  if (code === 'ETLS' || command === 'STARTTLS' || isCertificateError(failure)) {
    return new EffectFailure('tls', `no TLS with ${server}: ${said}. Look at [mail] tls and ca`, { cause: error });
  }
  if (code === 'EDNS' || neverConnected(failure)) {
    const message = `${server} is not reached: ${said}. Nothing was sent`;
    return new EffectFailure('connect', message, { retryable: true, cause: error });
  }
  const message = `the connection to ${server} ended on the way: ${said}. It is not known whether the mail was taken`;
  return new EffectFailure('connection_lost', message, { retryable: true, cause: error });
}

/** Certain only where the socket says so: a connection that closes is told in the same way before a message and behind it. */
function neverConnected({ code = '', originalCode = '', timeoutType }: NodemailerError): boolean {
  const unreached = /ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN/;
  return unreached.test(`${code} ${originalCode}`) || (timeoutType !== undefined && timeoutType !== 'SOCKET_TIMEOUT');
}

/** Node's codes for certificates that it does not trust. */
function isCertificateError({ code = '', originalCode = '' }: NodemailerError): boolean {
  return /CERT|ERR_TLS|UNABLE_TO_/.test(`${code} ${originalCode}`);
}
