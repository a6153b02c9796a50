import { workflowLimits } from './limits.ts';

/** A part of a route path between two slashes. */
export type PathSegment = { kind: 'static'; text: string } | { kind: 'param'; name: string } | { kind: 'rest' };

/** Unreserved characters and those that mean nothing in a path (RFC 3986), and letters and digits of every script. */
const staticPattern = /^[\p{L}\p{M}\p{N}._~!$&+,=@-]+$/u;
const paramNamePattern = /^[A-Za-z_][A-Za-z0-9_]{0,62}$/;
const refusedParamNames: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/** First segments that the server answers itself. */
export const ownPaths: ReadonlySet<string> = new Set(['nflow', '_nflow', 'health', 'ready', 'metrics']);

/** Settles most addresses of workflows by one character. */
const ownInitials = new Set([...ownPaths].map((path) => path.charCodeAt(0)));

/** True below the paths that the server keeps for itself; `address` may have a query. */
export function isOwnAddress(address: string): boolean {
  return ownInitials.has(address.charCodeAt(1)) && ownPaths.has(/^\/([^/?]*)/.exec(address)?.[1] ?? '');
}

export const pathExpected = '/ and then segments such as orders, :id, or * as the last one';

export interface PathProblem {
  /** Of the character in the path. */
  index: number;
  got: string;
  expected: string;
  message: string;
}

/** The segments of a route path, or what is wrong with it. A slash at its end means nothing. */
export function parseTriggerPath(path: string): { segments: PathSegment[] } | { problem: PathProblem } {
  const problem = (index: number, got: string, expected: string, message: string) => ({
    problem: { index, got, expected, message },
  });
  if (!path.startsWith('/')) {
    return problem(0, JSON.stringify(path), pathExpected, 'A path begins with "/".');
  }
  if (path.length > workflowLimits.pathLengthMax) {
    const expected = `at most ${workflowLimits.pathLengthMax}`;
    return problem(0, `${path.length} characters`, expected, 'The path is too long.');
  }
  const segments: PathSegment[] = [];
  const names = new Set<string>();
  const texts = (path.length > 1 && path.endsWith('/') ? path.slice(1, -1) : path.slice(1)).split('/');
  if (path === '/') return { segments };

  let index = 1;
  for (const [position, text] of texts.entries()) {
    const got = JSON.stringify(text);
    if (text === '') return problem(index, '"//"', pathExpected, 'The path has an empty segment.');
    if (text === '.' || text === '..') {
      return problem(index, got, pathExpected, 'Clients resolve "." and ".." before they send a path: leave them out.');
    }
    if (text === '*') {
      if (position !== texts.length - 1) {
        return problem(index, got, pathExpected, '"*" matches the whole rest: it can only be the last segment.');
      }
      segments.push({ kind: 'rest' });
    } else if (text.startsWith(':')) {
      const name = text.slice(1);
      if (!paramNamePattern.test(name) || refusedParamNames.has(name)) {
        const expected = '":" and a letter or _, then up to 62 of A-Z a-z 0-9 _';
        return problem(index, got, expected, 'A parameter is a whole segment and has a plain name.');
      }
      if (names.has(name)) return problem(index, got, 'each name once', `The parameter ${got} is there twice.`);
      names.add(name);
      segments.push({ kind: 'param', name });
    } else if (staticPattern.test(text)) {
      if (position === 0 && ownPaths.has(text)) {
        const own = [...ownPaths].map((name) => `/${name}`).join(', ');
        return problem(0, `"/${text}"`, `a path outside of ${own}`, `The server itself answers below "/${text}".`);
      }
      segments.push({ kind: 'static', text });
    } else {
      const expected =
        'letters, digits and . _ ~ ! $ & + , = @ - in a segment; write other characters unencoded or not at all';
      return problem(index, got, expected, `The segment ${got} has a character that a path cannot have.`);
    }
    index += text.length + 1;
  }
  return { segments };
}

/** As written, without a slash at its end. */
export function trimPath(path: string): string {
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
}

/** Equal for two paths that match the same requests: parameters without their names. */
export function routeKey(segments: readonly PathSegment[]): string {
  return `/${segments.map((segment) => (segment.kind === 'static' ? segment.text : segment.kind === 'param' ? ':' : '*')).join('/')}`;
}
