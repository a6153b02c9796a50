/**
 * Global names of the web platform, by the part of the guest that brings them. A VM gets a part only when its program mentions one
 * of the part's names: what nobody uses costs nothing.
 */
export const webGlobals = {
  /** Not new, but with this part names can be put on it. */
  globalThis: 'step-globals',
  DOMException: 'dom-exception',
  atob: 'base64',
  btoa: 'base64',
  TextDecoder: 'encoding',
  TextEncoder: 'encoding',
  URL: 'url',
  URLSearchParams: 'url',
  structuredClone: 'structured-clone',
  crypto: 'crypto',
  clearInterval: 'timers',
  clearTimeout: 'timers',
  performance: 'timers',
  queueMicrotask: 'timers',
  setInterval: 'timers',
  setTimeout: 'timers',
  AbortController: 'events',
  AbortSignal: 'events',
  CustomEvent: 'events',
  Event: 'events',
  EventTarget: 'events',
  Blob: 'blob',
  File: 'blob',
  FormData: 'blob',
  Headers: 'fetch',
  Request: 'fetch',
  Response: 'fetch',
  fetch: 'fetch',
} as const;

export type WebGlobal = keyof typeof webGlobals;
export type WebPartName = (typeof webGlobals)[WebGlobal];
