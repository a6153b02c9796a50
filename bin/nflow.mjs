#!/usr/bin/env node
/**
 * `nflow`: finds a Node that can run nFlow and runs its command line with it. A `bin` runs on whatever Node the host has,
 * so this file is plain JavaScript and needs only Node 20.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { runNode } from './pinned-node.mjs';

// The published package has no src: Node refuses to strip types under node_modules.
const source = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));
const built = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));

const fromSource = existsSync(source);

// Types are stripped from every file at each start, unless the result is kept: that is half of what a start takes.
const compileCache = fileURLToPath(new URL('../node_modules/.cache/nflow', import.meta.url));

runNode([fromSource ? source : built, ...process.argv.slice(2)], {
  lifeline: true,
  compileCache: fromSource ? compileCache : null,
});
