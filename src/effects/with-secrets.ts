import { allowsAddress } from '../config/bound-hosts.ts';
import { isGranted } from '../config/grants.ts';
import { createRandomSource } from '../guest/random.ts';
import {
  mayHoldPlaceholder,
  namePlaceholders,
  replacePlaceholders,
  tokenScopeOf,
} from '../protocol/secret-placeholder.ts';
import type { Secret, SecretSource } from '../secrets/port.ts';
import { Redactor } from '../secrets/redactor.ts';
import type { ClosableEffect, EffectCall, EffectContext, EffectResult, FilledSecrets, SecretClaims } from './port.ts';

/** Why a call that names a secret is not made: `not_granted`, with this reason. */
type Refusal = 'secret_not_granted' | 'secret_not_bound' | 'secret_not_allowed';

class SecretRefused extends Error {
  readonly reason: Refusal;

  constructor(reason: Refusal, message: string) {
    super(message);
    this.name = 'SecretRefused';
    this.reason = reason;
  }
}

/**
 * An effect whose calls get the values of secrets just before they are performed, and whose results lose them just after: in between
 * is the only place where a value is among the data of a workflow. Cache, journal and history are outside of it and see placeholders.
 * @param fields arguments that may hold placeholders.
 */
export function withSecrets(effect: ClosableEffect, fields: readonly string[], source: SecretSource): ClosableEffect {
  const redactors = new RedactorCache(source);

  async function perform(call: EffectCall, context: EffectContext): Promise<EffectResult> {
    let ready = call;
    try {
      if (context.secrets !== undefined && mayHoldPlaceholder(call.argumentsJson)) {
        ready = fill(call, context, context.secrets);
      }
    } catch (error) {
      if (!(error instanceof SecretRefused)) throw error;
      const message = `${describe(call.argumentsJson)}: ${error.message}`;
      return {
        ok: false,
        json: JSON.stringify({ code: 'not_granted', message, reason: error.reason, retryable: false }),
      };
    }
    return redacted(await effect.perform(ready, context), context);
  }

  function redacted(result: EffectResult, { workflow }: EffectContext): EffectResult {
    const redactor = redactors.of(workflow);
    return redactor === null ? result : { ...result, json: redactor.json(result.json) };
  }

  function fill(call: EffectCall, { workflow }: EffectContext, claims: SecretClaims): EffectCall {
    const given = JSON.parse(call.argumentsJson) as Record<string, unknown>;
    const used = new Map<string, Secret>();
    const filled: Record<string, unknown> = {};
    for (const [field, value] of Object.entries(given)) {
      filled[field] = replaceIn(value, (text) =>
        replacePlaceholders(text, (name, token, at, whole) => {
          // Somebody's text that looks like one: it stays what it is.
          if (token !== tokenOf(claims.seed, name)) return whole;
          if (!fields.includes(field)) throw notAllowed(name, field, fields);
          const secret = used.get(name) ?? grantedSecret(source, name, workflow, claims);
          used.set(name, secret);
          if (effect.writeSecret === undefined) return secret.value;
          const written = effect.writeSecret(secret.value, { field, text, at, fields: given });
          if (written === null) throw notHere(name, field);
          return written;
        }),
      );
    }
    if (used.size === 0) return call;
    const argumentsJson = JSON.stringify(filled);
    const secrets = [...used.values()];
    assertBound(effect, argumentsJson, secrets);
    return { ...call, argumentsJson, filled: filledSecrets(describe(call.argumentsJson), secrets) };
  }

  function describe(argumentsJson: string): string {
    return namePlaceholders(effect.describe(argumentsJson));
  }

  /** Without the tokens, which are another execution's each time. U+0000 is in no JSON text: nobody can write this. */
  function cacheTextOf({ argumentsJson }: EffectCall, { secrets }: EffectContext): string {
    if (secrets === undefined || !mayHoldPlaceholder(argumentsJson)) return argumentsJson;
    return replacePlaceholders(argumentsJson, (name, token, _at, whole) =>
      token === tokenOf(secrets.seed, name) ? `\0secret ${name}\0` : whole,
    );
  }

  const { verdictOf, restore } = effect;
  return {
    kind: effect.kind,
    resource: effect.resource,
    isCacheable: effect.isCacheable,
    isConfined: effect.isConfined,
    isSafe: (argumentsJson) => effect.isSafe(argumentsJson),
    perform,
    ...(verdictOf === undefined ? {} : { verdictOf: (result: EffectResult) => verdictOf.call(effect, result) }),
    ...(restore === undefined
      ? {}
      : {
          restore: async (call: EffectCall, context: EffectContext) =>
            redacted(await restore.call(effect, call, context), context),
        }),
    describe,
    cacheTextOf,
    close: () => effect.close(),
  };
}

function tokenOf(seed: string, name: string): string {
  const random = createRandomSource(seed, tokenScopeOf(name));
  let token = '';
  for (let i = 0; i < 4; i++) token += random.word().toString(16).padStart(8, '0');
  return token;
}

function grantedSecret(source: SecretSource, name: string, workflow: string, { declared }: SecretClaims): Secret {
  if (declared !== null && !declared.includes(name)) {
    throw new SecretRefused(
      'secret_not_granted',
      `the published version of ${workflow} does not use the secret ${name}. Publish it again`,
    );
  }
  const secret = source.find(name);
  if (secret !== null && (secret.binding === null || isGranted(secret.binding.workflows, workflow))) return secret;
  throw new SecretRefused(
    'secret_not_granted',
    `the server has no secret ${name}, or does not grant it to ${workflow}. Set it with \`nflow secret set ${name} --workflow ${workflow} …\``,
  );
}

function notAllowed(name: string, field: string, fields: readonly string[]): SecretRefused {
  const allowed = fields.length === 0 ? 'this effect takes none' : `only ${fields.join(', ')} may have one`;
  return new SecretRefused('secret_not_allowed', `the secret ${name} is in "${field}": ${allowed}. Nothing was done`);
}

function notHere(name: string, field: string): SecretRefused {
  return new SecretRefused(
    'secret_not_allowed',
    `the secret ${name} may not stand where it is in "${field}". In an address it is a part of the path or of the query, or the beginning when it is an address itself. Nothing was done`,
  );
}

function assertBound(effect: ClosableEffect, argumentsJson: string, secrets: readonly Secret[]): void {
  const isByHost = effect.destinationOf !== undefined;
  const url = effect.destinationOf?.(argumentsJson) ?? null;
  for (const { name, binding } of secrets) {
    if (binding === null) continue;
    if (isByHost) {
      // An address that cannot be read is the effect's to refuse: nothing is sent there.
      if (url === null || allowsAddress(binding.hosts, url)) continue;
      throw new SecretRefused(
        'secret_not_bound',
        `the secret ${name} may not be sent there: it is bound to ${list(binding.hosts)}. Nothing was sent. If it belongs there, set it again with --host`,
      );
    }
    if (binding.effects.includes(effect.kind)) continue;
    throw new SecretRefused(
      'secret_not_bound',
      `the secret ${name} may not be used by the effect '${effect.kind}': it is bound to ${list(binding.effects)}. If it belongs there, set it again with --effect ${effect.kind}`,
    );
  }
}

function list(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.join(', ');
}

function filledSecrets(describedAs: string, secrets: readonly Secret[]): FilledSecrets {
  let redactor: Redactor | null = null;
  return {
    describedAs,
    mayGoTo: (url) => secrets.every(({ binding }) => binding === null || allowsAddress(binding.hosts, url)),
    isIn(text) {
      redactor ??= new Redactor(secrets);
      return redactor.holdsValue(text);
    },
    redactBytes() {
      redactor ??= new Redactor(secrets);
      return redactor.stream();
    },
  };
}

/** Texts inside of a value; keys stay as they are. */
function replaceIn(value: unknown, replace: (text: string) => string): unknown {
  if (typeof value === 'string') return replace(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => replaceIn(item, replace));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, replaceIn(item, replace)]));
}

/** One redactor a workflow, as long as no secret changes. */
class RedactorCache {
  readonly #source: SecretSource;
  readonly #redactors = new Map<string, Redactor | null>();
  #revision = -1;

  constructor(source: SecretSource) {
    this.#source = source;
  }

  /** Null for a workflow without secrets. */
  of(workflow: string): Redactor | null {
    if (this.#revision !== this.#source.revision) {
      this.#redactors.clear();
      this.#revision = this.#source.revision;
    }
    const known = this.#redactors.get(workflow);
    if (known !== undefined) return known;
    const secrets = this.#source.grantedTo(workflow);
    const redactor = secrets.length === 0 ? null : new Redactor(secrets);
    this.#redactors.set(workflow, redactor);
    return redactor;
  }
}
