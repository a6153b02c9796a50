// biome-ignore-all lint/complexity/noArguments: Web IDL tells an argument that is missing from one that is undefined
import type { WebHost, WebPart } from './web-host.ts';

/** `atob` and `btoa` (HTML, section 8.3). Evaluated inside the isolate, see `web-host.ts`. */
export function createBase64(
  _host: WebHost,
  { DOMException }: { DOMException: new (message: string, name: string) => Error },
): WebPart {
  const { fromBase64 } = Uint8Array;
  const { toBase64 } = Uint8Array.prototype;
  const { fromCharCode } = String;
  const { apply } = Reflect;
  const chunkSize = 8192;

  const { atob, btoa } = {
    atob(data: string): string {
      if (arguments.length === 0) throw new TypeError('atob needs a text');
      let bytes: Uint8Array;
      try {
        bytes = fromBase64(`${data}`);
      } catch {
        throw new DOMException('atob: the text is not base64', 'InvalidCharacterError');
      }
      let text = '';
      for (let at = 0; at < bytes.length; at += chunkSize) {
        text += apply(fromCharCode, undefined, bytes.subarray(at, at + chunkSize));
      }
      return text;
    },
    btoa(data: string): string {
      if (arguments.length === 0) throw new TypeError('btoa needs a text');
      const text = `${data}`;
      const bytes = new Uint8Array(text.length);
      for (let i = 0; i < text.length; i++) {
        const unit = text.charCodeAt(i);
        if (unit > 255) {
          throw new DOMException('btoa: the text has characters above U+00FF', 'InvalidCharacterError');
        }
        bytes[i] = unit;
      }
      return toBase64.call(bytes);
    },
  };
  return { globals: { atob, btoa } };
}
