import { invalidCall } from './effect-failure.ts';

/** Reads the arguments of a call. They come out of a VM, so nothing of them is believed. Each throws EffectFailure `invalid_request`. */
export class CallArguments {
  readonly #fields: Readonly<Record<string, unknown>>;

  constructor(argumentsJson: string) {
    let value: unknown;
    try {
      value = JSON.parse(argumentsJson);
    } catch {
      throw invalidCall('arguments', 'text that is not JSON', 'an object');
    }
    if (!isRecord(value)) throw invalidCall('arguments', kindOf(value), 'an object');
    this.#fields = value;
  }

  text(name: string): string {
    const value = this.#given(name);
    if (typeof value !== 'string') throw invalidCall(name, kindOf(value), 'a text');
    return value;
  }

  optionalText(name: string): string | null {
    return this.#given(name) === null ? null : this.text(name);
  }

  /** Null for what was left out. */
  value(name: string): unknown {
    return this.#given(name);
  }

  record(name: string): Record<string, unknown> {
    const value = this.#given(name);
    if (!isRecord(value)) throw invalidCall(name, kindOf(value), 'an object');
    return value;
  }

  oneOf<const Name extends string>(name: string, names: readonly Name[], byDefault?: NoInfer<Name>): Name {
    const value = this.#given(name);
    if (value === null && byDefault !== undefined) return byDefault;
    if (names.includes(value as Name)) return value as Name;
    throw invalidCall(name, show(value), `one of ${names.join(', ')}`);
  }

  someOf<const Name extends string>(name: string, names: readonly Name[]): Name[] {
    const value = this.#given(name);
    const isAllowed = Array.isArray(value) && value.length > 0 && value.every((one) => names.includes(one as Name));
    if (!isAllowed) throw invalidCall(name, show(value), `an array of some of ${names.join(', ')}`);
    return value as Name[];
  }

  number(name: string, min: number, max: number, byDefault: number): number {
    const value = this.#given(name);
    if (value === null) return byDefault;
    if (typeof value === 'number' && value >= min && value <= max) return value;
    throw invalidCall(name, show(value), `a number from ${min} to ${max}`);
  }

  yesOrNo(name: string, byDefault: boolean): boolean {
    const value = this.#given(name);
    if (value === null) return byDefault;
    if (typeof value === 'boolean') return value;
    throw invalidCall(name, show(value), 'true or false');
  }

  /** Null for what was left out. */
  #given(name: string): unknown {
    return Object.hasOwn(this.#fields, name) ? this.#fields[name] : null;
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

function show(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? JSON.stringify(value).slice(0, 80) : kindOf(value);
}
