/** Node's HTTP server with every limit set, and with answers in our own form to what it would answer in its own. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Config } from '../config/config.ts';
import type { Metrics } from '../observe/metrics.ts';
import { connectionOf } from './connection.ts';
import { endWithProblem } from './connection-error.ts';
import { type Problem, refusal } from './problem.ts';
import { writeProblem } from './write-answer.ts';

const headersTimeoutMaxMs = 20_000;
/** How often slow requests are looked for; they are told this much late at most. */
const timeoutCheckMaxMs = 5_000;

export interface LimitedServerOptions {
  limits: Config['server'];
  metrics: Metrics;
  /** `expectsContinue`: the client waits for `100 Continue` before it sends the body. */
  onRequest(req: IncomingMessage, res: ServerResponse, expectsContinue: boolean): void;
}

export function createLimitedServer({ limits, metrics, onRequest }: LimitedServerOptions): Server {
  const { headerSizeMax, urlSizeMax, requestTimeoutMs } = limits;
  const refuse = (req: IncomingMessage, res: ServerResponse, problem: Problem): void => {
    metrics.onHttpAnswer(problem.status);
    metrics.onRejected(problem.code);
    writeProblem(req, res, problem, { close: true });
  };
  const listener = (req: IncomingMessage, res: ServerResponse, expectsContinue: boolean): void => {
    // Behind a refusal that closes the connection nothing is a request any more, whatever it looks like.
    if (connectionOf(req.socket).isRefused) return;
    const problem = refusedHead(req, limits);
    if (problem === null) onRequest(req, res, expectsContinue);
    else refuse(req, res, problem);
  };
  const server = createServer(
    {
      // Node counts the request line as a header; each has its own limit in `refusedHead`.
      maxHeaderSize: headerSizeMax + urlSizeMax,
      requestTimeout: requestTimeoutMs,
      headersTimeout: Math.min(requestTimeoutMs, headersTimeoutMaxMs),
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      connectionsCheckingInterval: Math.min(timeoutCheckMaxMs, Math.ceil(requestTimeoutMs / 4)),
      // Answered in our own words by `refusedHead`.
      requireHostHeader: false,
      noDelay: true,
    },
    (req, res) => listener(req, res, false),
  );
  // More header lines than this would be dropped in silence; their sum is limited already.
  server.maxHeadersCount = 0;
  server.on('checkContinue', (req, res) => listener(req, res, true));
  server.on('checkExpectation', (req, res) =>
    refuse(req, res, refusal('invalid_input', 'The only expectation that is met is `100-continue`.')),
  );
  // CONNECT asks for a tunnel. Without a listener Node would close the connection without a word.
  server.on('connect', (req, socket: Duplex) => {
    const problem =
      refusedHead(req, limits) ?? refusal('method_not_allowed', 'This server is no proxy: it answers no CONNECT.');
    endWithProblem(socket, connectionOf(req.socket), problem, metrics);
  });
  return server;
}

/** What is wrong with a request before anybody looks for its address. Puts an address in absolute form (as proxies send it) into the usual one. */
function refusedHead(req: IncomingMessage, { headerSizeMax, urlSizeMax }: Config['server']): Problem | null {
  let url = req.url as string;
  if (url.length > urlSizeMax) {
    return refusal('uri_too_long', `The address has ${url.length} bytes; this server accepts ${urlSizeMax}.`);
  }
  const { rawHeaders } = req;
  let size = 0;
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    size += name.length + (rawHeaders[i + 1] as string).length;
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++;
  }
  if (size > headerSizeMax) {
    return refusal('headers_too_large', `The headers have ${size} bytes; this server accepts ${headerSizeMax}.`);
  }
  if (hosts === 0 && req.httpVersionMinor === 1) {
    return refusal('invalid_input', 'An HTTP/1.1 request must have a Host header.');
  }
  if (req.httpVersionMinor === 0 && req.headers['transfer-encoding'] !== undefined) {
    // RFC 9112, 6.1: what stands before this server may not have understood it.
    return refusal('invalid_input', 'A request of HTTP/1.0 cannot have a Transfer-Encoding.');
  }
  if (hosts > 1) return refusal('invalid_input', 'A request must not have more than one Host header.');
  if (req.method !== 'CONNECT' && url.charCodeAt(0) !== 0x2f) {
    url = url.replace(/^https?:\/\/[^/?#]*/i, '');
    if (url === '' || url.startsWith('?')) url = `/${url}`;
    if (!url.startsWith('/')) return refusal('invalid_input', 'The address must begin with a slash.');
    req.url = url;
  }
  return null;
}
