import { type ErrorClass, errorKinds } from '../src/errors.ts';

const classes: Record<ErrorClass, string> = {
  client: 'The request is wrong. The same request fails again: change it.',
  terminal: 'An execution has ended for good. Its history says where and why.',
  retryable: 'The server cannot do it now. Send the same again after the time in `Retry-After`.',
  internal: 'A defect of nFlow. The log of the server says more.',
};

/** The reference of error codes, as Markdown. */
export function errorsReference(): string {
  const sections = (Object.keys(classes) as ErrorClass[]).map((errorClass) => {
    const rows = Object.entries(errorKinds)
      .filter(([, kind]) => kind.class === errorClass)
      .sort(([, a], [, b]) => a.status - b.status)
      .map(([code, { status, title }]) => `| \`${code}\` | ${status} | ${title} |`);
    return `## ${errorClass}\n${classes[errorClass]}\n\n| code | HTTP status | means |\n|---|---:|---|\n${rows.join('\n')}\n`;
  });
  return `# Errors

Every error has a code. Over HTTP it is the \`code\` of an \`application/problem+json\` body (RFC 9457), whose \`type\` is \`urn:nflow:error:CODE\`; on the
command line it is the first word on stderr; in the history it is \`error.code\`. Compare codes, not texts: texts may change.

The class says what to do next. What user code said in an error is in the history and never in an answer, but for the words of a \`fail\` node.

${sections.join('\n')}`;
}
