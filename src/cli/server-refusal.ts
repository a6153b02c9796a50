/** What a server refuses, as the terminal shows it. */
import { type ExitCode, exitCode } from './exit-code.ts';
import { CommandFailure } from './failure.ts';

/** The failure of a command whose request the server answered with `body`: a problem document, or something that no nFlow sends. */
export function refusal(url: URL, status: number, body: unknown, hasToken: boolean): CommandFailure {
  const { code, title, detail } = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  if (typeof code !== 'string') {
    return new CommandFailure(
      'server_unreachable',
      `What answers at ${url.origin} is not an nFlow server.`,
      exitCode.unreachable,
      {
        got: `status ${status} from ${url.pathname}`,
        remedy: 'Name the right server with --server or NFLOW_SERVER.',
      },
    );
  }
  const { errors } = body as { errors?: { pointer?: unknown; got?: unknown; expected?: unknown }[] };
  const first = Array.isArray(errors) ? errors[0] : undefined;
  const isDenied = status === 401 || status === 403;
  return new CommandFailure(
    code,
    // Its own words are about a request, which whoever typed a command has not seen.
    code === 'invalid_input' && first !== undefined
      ? `The server does not accept the ${nameOf(String(first.pointer))} that was given.`
      : String(detail ?? title ?? `status ${status}`),
    exitCodes[code] ?? exitCode.failed,
    {
      got: first === undefined ? (status === 401 ? tokenGot(hasToken) : undefined) : String(first.got),
      expected: first === undefined ? undefined : String(first.expected),
      remedy: isDenied
        ? 'Set NFLOW_TOKEN to the token of this server, or name its data folder with --data.'
        : code === 'not_found'
          ? listingRemedy(url.pathname, String(detail))
          : undefined,
    },
  );
}

/** Of what a server refuses; all else is what was asked for and failed. */
const exitCodes: Readonly<Record<string, ExitCode>> = {
  invalid_input: exitCode.usage,
  store_unavailable: exitCode.unreachable,
};

/** `/status` is what people call status; a deeper place stays a pointer. */
function nameOf(pointer: string): string {
  return /^\/[a-z]+$/i.test(pointer) ? pointer.slice(1) : `part at ${pointer}`;
}

function tokenGot(hasToken: boolean): string {
  return hasToken ? 'another token' : 'no token: NFLOW_TOKEN is not set, and the data folder has none for this address';
}

/** The command that lists what there is of the kind that was not found. */
function listingRemedy(path: string, detail: string): string | undefined {
  if (/ version\b/.test(detail)) return '`nflow workflows versions NAME` lists those that there are.';
  if (path.includes('/executions/')) return '`nflow ls` lists those that there are.';
  return path.includes('/workflows/') ? '`nflow workflows list` lists those that there are.' : undefined;
}
