import type { WebHost, WebPart } from './web-host.ts';

/** `DOMException` (Web IDL, section 2.8.1). Evaluated inside the isolate, see `web-host.ts`. */
export function createDomException(_host: WebHost, _scope: object): WebPart {
  const codes: Record<string, number> = {
    __proto__: null as unknown as number,
    IndexSizeError: 1,
    HierarchyRequestError: 3,
    WrongDocumentError: 4,
    InvalidCharacterError: 5,
    NoModificationAllowedError: 7,
    NotFoundError: 8,
    NotSupportedError: 9,
    InUseAttributeError: 10,
    InvalidStateError: 11,
    SyntaxError: 12,
    InvalidModificationError: 13,
    NamespaceError: 14,
    InvalidAccessError: 15,
    TypeMismatchError: 17,
    SecurityError: 18,
    NetworkError: 19,
    AbortError: 20,
    URLMismatchError: 21,
    QuotaExceededError: 22,
    TimeoutError: 23,
    InvalidNodeTypeError: 24,
    DataCloneError: 25,
  };

  class DOMException extends Error {
    readonly #name: string;
    constructor(message = '', options: unknown = 'Error') {
      const given =
        typeof options === 'object' && options !== null ? (options as { name?: unknown; cause?: unknown }) : null;
      super(`${message}`, given !== null && 'cause' in given ? { cause: given.cause } : undefined);
      this.#name =
        given === null ? `${options as string}` : given.name === undefined ? 'Error' : `${given.name as string}`;
    }
    // An accessor in the place of Error's property, as Web IDL has it.
    override get name(): string {
      return this.#name;
    }
    get code(): number {
      return codes[this.#name] ?? 0;
    }
    get [Symbol.toStringTag](): string {
      return 'DOMException';
    }
  }
  for (const [name, code] of Object.entries(codes)) {
    // IndexSizeError is INDEX_SIZE_ERR.
    const constant = `${name
      .replace(/Error$/, '')
      .replace(/(?<=[a-z])(?=[A-Z])|(?<=URL)(?=M)/g, '_')
      .toUpperCase()}_ERR`;
    const value = { value: code, enumerable: true };
    Object.defineProperty(DOMException, constant, value);
    Object.defineProperty(DOMException.prototype, constant, value);
  }
  return { globals: { DOMException } };
}
