import { type WebGlobal, type WebPartName, webGlobals } from '../../protocol/web-globals.ts';
import { createBase64 } from './base64.ts';
import { createBlob } from './blob.ts';
import { createCrypto } from './crypto.ts';
import { createDomException } from './dom-exception.ts';
import { createEncoding } from './encoding.ts';
import { createEvents } from './events.ts';
import { createFetch } from './fetch.ts';
import { createStepGlobals } from './step-globals.ts';
import { createStructuredClone } from './structured-clone.ts';
import { createTimers } from './timers.ts';
import { createUrl } from './url.ts';

interface Part {
  /** Its source text is what travels. */
  create: (...given: never[]) => unknown;
  /** Parts that must be there before it. */
  needs: readonly WebPartName[];
}

const parts: Record<WebPartName, Part> = {
  'step-globals': { create: createStepGlobals, needs: [] },
  'dom-exception': { create: createDomException, needs: [] },
  base64: { create: createBase64, needs: ['dom-exception'] },
  encoding: { create: createEncoding, needs: [] },
  url: { create: createUrl, needs: ['encoding'] },
  'structured-clone': { create: createStructuredClone, needs: ['dom-exception'] },
  crypto: { create: createCrypto, needs: ['dom-exception'] },
  timers: { create: createTimers, needs: [] },
  events: { create: createEvents, needs: ['dom-exception'] },
  blob: { create: createBlob, needs: ['encoding'] },
  fetch: { create: createFetch, needs: ['blob', 'encoding', 'events', 'url'] },
};

/** The source texts of the parts that bring these globals, each after what it needs. */
export function webPartSources(globals: readonly WebGlobal[]): string[] {
  const taken = new Set<WebPartName>();
  const take = (name: WebPartName): void => {
    if (taken.has(name)) return;
    for (const needed of parts[name].needs) take(needed);
    taken.add(name);
  };
  for (const name of globals) take(webGlobals[name]);
  return [...taken].map((name) => String(parts[name].create));
}
