import { z } from 'zod';
import { durationBetween, template } from '../../workflow/field-schemas.ts';
import type { JsonValue } from '../../workflow/parse-file.ts';
import { defineNode, type EffectDefinition, type FieldCheck } from '../definition.ts';
import { cacheLimits, cacheNodeOperations, cacheTraits } from './arguments.ts';

const node = defineNode({
  type: 'cache',
  fields: {
    operation: {
      schema: z.enum(cacheNodeOperations, { error: `one of ${cacheNodeOperations.join(', ')}` }),
      takes: 'fixed',
      about: 'What is done with the value under `key`.',
      label: 'Operation',
      widget: 'select',
    },
    key: {
      schema: template('a text'),
      takes: 'template',
      about: 'A text of 1 to 512 characters. Each workflow has its own: none sees the values of another.',
      label: 'Key',
      widget: 'text',
    },
    value: {
      schema: template('a value').optional(),
      takes: 'template',
      about: 'Of `set`: what is kept.',
      label: 'Value',
      widget: 'json',
      shownWhen: { operation: ['set'] },
    },
    ttl: {
      schema: durationBetween(1, cacheLimits.ttlMsMax, 'a duration such as 30s or 5m, from 1ms to 30d').optional(),
      takes: 'duration',
      about: 'Of `set`: how long it is kept at most; default `[cache] default_ttl`.',
      label: 'Kept for',
      widget: 'duration',
      shownWhen: { operation: ['set'] },
    },
  },
  timeoutMsDefault: 30_000,
  output: 'Of `get` the value, or null when there is none; of the others null.',
  check: checkFields,
});

function checkFields(given: Readonly<Record<string, JsonValue>>, { pointerOf, report }: FieldCheck): void {
  const operation = String(given.operation);
  if (operation === 'set') {
    if (given.value !== undefined) return;
    const message = 'The operation set needs "value".';
    report({ pointer: pointerOf('value'), code: 'missing-key', got: 'nothing', expected: '"value"', message });
    return;
  }
  for (const key of ['value', 'ttl']) {
    if (given[key] === undefined) continue;
    const message = `The operation ${operation} has no "${key}".`;
    const expected = '"operation", "key"';
    report({ pointer: pointerOf(key), at: 'key', code: 'unknown-key', got: `"${key}"`, expected, message });
  }
}

export const cacheDefinition = {
  traits: cacheTraits,
  node,
  member: { name: 'cache', isPart: true, namesResourceBy: null },
} satisfies EffectDefinition;
