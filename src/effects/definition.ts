import { z } from 'zod';
import { durationExpected } from '../config/duration.ts';
import { effectOptionLimits } from '../protocol/effect-options.ts';
import type { EffectTraits } from '../protocol/effect-traits.ts';
import type { Template } from '../protocol/program.ts';
import {
  durationBetween,
  errorReference,
  expression,
  nodeReference,
  timeout,
  wholeNumber,
} from '../workflow/field-schemas.ts';
import type { Problem } from '../workflow/findings.ts';
import type { JsonValue } from '../workflow/parse-file.ts';

/**
 * An effect as authors know it: its node, and its member of `ctx`. Validation, compilation, `uses`, the reference and a designer's form
 * are made of it. What performs the effect in the gateway is its `EffectKind` (`port.ts`); what belongs into the VM its guest part
 * (`guest-parts.ts`).
 */
export interface EffectDefinition<Node extends EffectNode | null = EffectNode | null> {
  traits: EffectTraits;
  /** Null for an effect that only code asks for. */
  node: Node;
  /** Null for an effect that only its node asks for. */
  member: EffectMember | null;
}

export interface EffectMember {
  /** Of `ctx`. */
  name: string;
  /** It comes with the effect's guest part, which a VM gets when its program mentions the member; false: the kernel has it. */
  isPart: boolean;
  /**
   * How code names the resource: `call` as in `ctx.sql('orders')`, `default` never, so that it is always the one by default; null when
   * only the arguments tell.
   */
  namesResourceBy: 'call' | 'default' | null;
}

/** The form of a node's type: one table from which schema, arguments, reference and designer follow. */
export interface EffectNode<
  Type extends string = string,
  Fields extends EffectFields = EffectFields,
  Schema extends z.ZodObject = z.ZodObject,
> {
  type: Type;
  /** In the order of a form, and of the canonical arguments. */
  fields: Fields;
  /** Made of the fields, and of what every node with an effect has. */
  schema: Schema;
  /** Of one attempt, unless the node says another. */
  timeoutMsDefault: number;
  /** What the node's output is, for the reference. */
  output: string;
  /** Looks at what is written out; what a template makes of it is checked when it runs. */
  check?: (node: Readonly<Record<string, JsonValue>>, at: FieldCheck) => void;
}

export type EffectFields = Readonly<Record<string, EffectField>>;

export interface EffectField {
  /** Its `error` texts are what findings show as `expected`. */
  schema: z.ZodType;
  /**
   * What the author writes, and so what becomes of it among the arguments:
   *
   *   template     JSON with `{{ … }}` in its texts, computed in the VM
   *   expression   JavaScript, with or without braces
   *   fixed        as it is: a `{{` in it is a finding
   *   duration     a fixed text such as `5m`, as milliseconds under the name with `Ms`: `tolerance` becomes `toleranceMs`
   */
  takes: 'template' | 'expression' | 'fixed' | 'duration';
  /** Of a fixed field: what an author does who wants `{{` in it, as the rest of a sentence. */
  fixedAdvice?: string;
  /** What it is for: Markdown, a sentence or two. */
  about: string;
  /** For the form of a designer. */
  label: string;
  widget: 'text' | 'multiline' | 'code' | 'json' | 'number' | 'select' | 'checkbox' | 'duration' | 'list';
  /** Shown only while another field has one of these values. */
  shownWhen?: Readonly<Record<string, readonly string[]>>;
  /** A secret may be put in here by name, and is filled in by the gateway. */
  takesSecrets?: boolean;
}

/** What a check of fields works with. */
export interface FieldCheck {
  pointerOf(key: string): string;
  /** The field as it was taken apart; undefined when it was left out. */
  templateOf(key: string): Template | undefined;
  report(problem: Problem): void;
}

// ---- what every node with an effect has ------------------------------------------------------------------------------------------

const { attemptsMax, waitMsMax, ttlMsMax } = effectOptionLimits;
const wait = durationBetween(0, waitMsMax, `${durationExpected}, up to 24h`);
const jitterExpected = 'a number from 0 to 1';
const yesOrNo = z.boolean({ error: 'true or false' });

const retry = z.strictObject(
  {
    attempts: wholeNumber(1, attemptsMax).optional(),
    backoff: z.enum(['fixed', 'exponential'], { error: '"exponential" (the default) or "fixed"' }).optional(),
    initial: wait.optional(),
    max: wait.optional(),
    jitter: z
      .number({ error: jitterExpected })
      .min(0, { error: jitterExpected })
      .max(1, { error: jitterExpected })
      .optional(),
    fresh: yesOrNo.optional(),
  },
  { error: 'an object with "attempts", "backoff", "initial", "max", "jitter"' },
);

const cache = z.strictObject(
  {
    ttl: durationBetween(1, ttlMsMax, `${durationExpected}, from 1ms to 30d`).optional(),
    key: expression.optional(),
  },
  { error: 'an object with "ttl" and "key"; {} for the defaults' },
);

export const policyShape = {
  timeout: timeout.optional(),
  retry: retry.optional(),
  cache: cache.optional(),
  idempotencyKey: expression.optional(),
  atMostOnce: yesOrNo.optional(),
};

/** Lines of the reference for those keys. */
export const policyAbout: Readonly<Record<keyof typeof policyShape | 'next' | 'onError', string>> = {
  timeout: 'For one attempt.',
  retry:
    'Repeats what failed and may succeed: `attempts` (3, the first one counts), `backoff` (`exponential`), `initial` (`200ms`), `max` (`30s`), `jitter` (0.2, the share of a wait left to chance). A longer wait that the other side asks for is kept to. Every attempt carries the same idempotency key.',
  cache:
    'Takes the result from the cache: `ttl` (`[cache] default_ttl`), `key` an expression (default: the arguments).',
  idempotencyKey: 'An expression: the key that the call carries, instead of one that nFlow derives.',
  atMostOnce:
    'True: after a crash it ends as `effect_outcome_unknown` instead of being repeated. Not together with `retry`.',
  next: 'Where it goes on with the output.',
  onError: 'Where it goes on when it has failed, after all attempts: the node there has `error`.',
};

type ShapeOf<Type extends string, Fields extends EffectFields> = { type: z.ZodLiteral<Type> } & {
  -readonly [Key in keyof Fields]: Fields[Key]['schema'];
} & typeof policyShape & {
    next: z.ZodOptional<typeof nodeReference>;
    onError: z.ZodOptional<typeof errorReference>;
  };

/** Completes the form of a node: its own fields, and what every node with an effect has. */
export function defineNode<const Type extends string, const Fields extends EffectFields>(
  node: Omit<EffectNode<Type, Fields>, 'schema'>,
): EffectNode<Type, Fields, z.ZodObject<ShapeOf<Type, Fields>, z.core.$strict>> {
  const own = Object.fromEntries(Object.entries(node.fields).map(([key, field]) => [key, field.schema]));
  const schema = z.strictObject({
    type: z.literal(node.type),
    ...own,
    ...policyShape,
    next: nodeReference.optional(),
    onError: errorReference.optional(),
  });
  return { ...node, schema: schema as unknown as z.ZodObject<ShapeOf<Type, Fields>, z.core.$strict> };
}
