import { FileFailure } from '../../files/file-failure.ts';
import type { FileRoot } from '../../files/file-root.ts';
import { CallArguments } from '../call-arguments.ts';
import { EffectFailure, invalidCall, resultOf } from '../effect-failure.ts';
import { type ClosableEffect, type EffectContext, type EffectResult, keptJson } from '../port.ts';
import { fileAreaNames, fileEncodings, fileLimits, fileOperations, fileTraits, rowEncodings } from './arguments.ts';
import { decodeText, readBatch } from './batch.ts';

const describedSizeMax = 200;
const reading: readonly string[] = ['read', 'list', 'stat', 'batch'];

/**
 * The effect `file`: what workflows keep under `[files] root`.
 * @param root null where there are no files; every call fails then.
 */
export function createFileEffect(root: FileRoot | null): ClosableEffect {
  return {
    ...fileTraits,
    isSafe(argumentsJson) {
      try {
        return reading.includes(new CallArguments(argumentsJson).oneOf('operation', fileOperations));
      } catch {
        return true;
      }
    },
    perform: (call, context) => perform(root, call.argumentsJson, context),
    restore: (call, context) => perform(root, call.argumentsJson, context),
    describe,
    async close() {
      await root?.close();
    },
  };
}

async function perform(root: FileRoot | null, argumentsJson: string, context: EffectContext): Promise<EffectResult> {
  let kept: string | undefined;
  const result = await resultOf(describe(argumentsJson), async () => {
    try {
      const given = new CallArguments(argumentsJson);
      if (root === null) throw new EffectFailure('not_configured', 'there is no folder for files here');
      const value = await compute(root, given, context);
      if (given.oneOf('operation', fileOperations) === 'batch') {
        const { text, ...piece } = value as Record<string, unknown>;
        kept = keptJson(piece);
      }
      return value;
    } catch (error) {
      if (!(error instanceof FileFailure)) throw error;
      throw new EffectFailure(error.reason, error.message, { retryable: error.retryable, cause: error });
    }
  });
  return kept === undefined ? result : { ...result, kept };
}

async function compute(root: FileRoot, given: CallArguments, { workflow, signal }: EffectContext): Promise<unknown> {
  const operation = given.oneOf('operation', fileOperations);
  const area = await root.area(given.oneOf('area', fileAreaNames, 'own'), workflow);
  if (signal.aborted) throw new EffectFailure('aborted', 'the execution ended before the call did');
  switch (operation) {
    case 'read': {
      const offset = wholeNumber(given, 'offset', Number.MAX_SAFE_INTEGER, 0);
      const length = given.value('length') === null ? null : wholeNumber(given, 'length', fileLimits.readSizeMax, 0);
      const path = given.text('path');
      const file = await area.open(path);
      try {
        const left = Math.max(0, file.size - offset);
        if (length === null && left > fileLimits.readSizeMax) {
          const message = `${JSON.stringify(path)} has ${left} bytes, and ${fileLimits.readSizeMax} are read at a time. Use "offset" and "length", or ctx.file.rows`;
          throw new FileFailure('too_large', message);
        }
        const wanted = Math.min(length ?? left, left);
        const { buffer, bytesRead } = await file.handle.read(Buffer.allocUnsafe(wanted), 0, wanted, offset);
        const bytes = buffer.subarray(0, bytesRead);
        const encoding = given.oneOf('encoding', fileEncodings, 'text');
        return encoding === 'base64' ? bytes.toString('base64') : decodeText(bytes, encoding, path);
      } finally {
        await file.handle.close();
      }
    }
    case 'write':
      return area.write(given.text('path'), contentOf(given), given.yesOrNo('overwrite', true));
    case 'append':
      return area.append(given.text('path'), contentOf(given));
    case 'list':
      return area.list(
        given.optionalText('path') ?? '',
        given.optionalText('after') ?? '',
        Math.max(1, wholeNumber(given, 'limit', fileLimits.listMax, fileLimits.listDefault)),
      );
    case 'stat':
      return area.stat(given.text('path'));
    case 'delete':
      return area.delete(given.text('path'));
    case 'batch':
      return readBatch(area, {
        path: given.text('path'),
        offset: wholeNumber(given, 'offset', Number.MAX_SAFE_INTEGER, 0),
        sizeMax: wholeNumber(given, 'size', fileLimits.batchSizeMax, fileLimits.batchSizeDefault),
        encoding: given.oneOf('encoding', rowEncodings, 'text'),
        version: given.optionalText('version'),
      });
  }
}

function wholeNumber(given: CallArguments, name: string, max: number, byDefault: number): number {
  const value = given.number(name, 0, max, byDefault);
  if (!Number.isInteger(value)) throw invalidCall(name, String(value), 'a whole number');
  return value;
}

function contentOf(given: CallArguments): Buffer {
  const data = given.value('data');
  if (data === null) throw invalidCall('data', 'nothing', 'a text, or a value that becomes JSON');
  const encoding = given.oneOf('encoding', fileEncodings, 'text');
  if (typeof data !== 'string') {
    if (encoding !== 'text') throw invalidCall('data', 'no text', `a text, as it is ${encoding}`);
    return Buffer.from(JSON.stringify(data));
  }
  if (encoding === 'text') return Buffer.from(data);
  if (encoding === 'latin1') {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the range of the character set
    if (/[^\u0000-\u00ff]/.test(data))
      throw invalidCall('data', 'a character outside Latin-1', 'Latin-1, as encoding says');
    return Buffer.from(data, 'latin1');
  }
  const bytes = Buffer.from(data, 'base64');
  // Node skips what does not belong there: something else than was meant would be written.
  if (bytes.toString('base64').replace(/=+$/, '') !== data.replace(/=+$/, '')) {
    throw invalidCall('data', 'text that is not base64', 'base64, as encoding says');
  }
  return bytes;
}

function describe(argumentsJson: string): string {
  try {
    const given = new CallArguments(argumentsJson);
    const text = `file ${given.oneOf('operation', fileOperations)} ${given.optionalText('path') ?? ''}`.trim();
    return text.length <= describedSizeMax ? text : `${text.slice(0, describedSizeMax - 1)}…`;
  } catch {
    return 'file (invalid)';
  }
}
