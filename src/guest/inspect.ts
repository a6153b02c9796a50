/**
 * Shows any value as text, for logs and messages: plain data as JSON, and what JSON cannot hold in a form that a person reads.
 * Never throws, and never makes much more than `sizeMax` characters, whatever it is given.
 *
 * Evaluated inside the isolate from its source text: it may use nothing from outside its own body.
 */
export type Inspect = (value: unknown, sizeMax: number) => string;

export function createInspect(): Inspect {
  const depthMax = 8;
  const itemsMax = 100;
  const stringify = JSON.stringify;
  const { keys } = Object;
  const { isArray } = Array;
  const isError = (Error as unknown as { isError: (value: unknown) => value is Error }).isError;
  const dateToIso = Date.prototype.toISOString;
  const regExpToText = RegExp.prototype.toString;
  const mapSize = Object.getOwnPropertyDescriptor(Map.prototype, 'size')?.get as () => number;
  const setSize = Object.getOwnPropertyDescriptor(Set.prototype, 'size')?.get as () => number;
  const { entries } = Map.prototype;
  const { values } = Set.prototype;

  /** Runs a method that only objects of its own kind have; null for others. */
  const brand = <T>(method: (this: never) => T, value: object): T | null => {
    try {
      return method.call(value as never);
    } catch {
      return null;
    }
  };

  return (top, sizeMax) => {
    let room = sizeMax;
    const above: object[] = [];

    const spend = (text: string): string => {
      if (text.length > room) {
        const kept = `${text.slice(0, Math.max(0, room))}…`;
        room = 0;
        return kept;
      }
      room -= text.length;
      return text;
    };

    const list = (open: string, count: number, item: (index: number) => string, close: string): string => {
      let text = spend(open);
      for (let i = 0; i < count && room > 0; i++) {
        if (i === itemsMax) {
          text += spend(`, … ${count - i} more`);
          break;
        }
        if (i > 0) text += spend(',');
        text += item(i);
      }
      return text + spend(close);
    };

    const showError = (error: Error): string => {
      const { stack, message, name } = error;
      const cause = error.cause === undefined ? '' : ` caused by ${show(error.cause)}`;
      const said = typeof stack === 'string' && stack !== '' ? stack : `${String(name)}: ${String(message)}`;
      return spend(said) + cause;
    };

    const showObject = (value: object): string => {
      if (isError(value)) return showError(value);
      if (above.length >= depthMax) return spend(isArray(value) ? '[…]' : '{…}');
      const time = brand(dateToIso, value);
      if (time !== null) return spend(time);
      const toJson = (value as { toJSON?: unknown }).toJSON;
      if (typeof toJson === 'function') return show(toJson.call(value));
      if (isArray(value)) return list('[', value.length, (i) => show(value[i]), ']');
      const pairs = brand(mapSize, value);
      if (pairs !== null) {
        const all = [...entries.call(value as Map<unknown, unknown>)];
        const pair = (i: number): string => {
          const [key, item] = all[i] as [unknown, unknown];
          return show(key) + spend(' => ') + show(item);
        };
        return list(`Map(${pairs}) {`, pairs, pair, '}');
      }
      const members = brand(setSize, value);
      if (members !== null) {
        const all = [...values.call(value as Set<unknown>)];
        return list(`Set(${members}) {`, members, (i) => show(all[i]), '}');
      }
      const pattern = value instanceof RegExp ? brand(regExpToText, value) : null;
      if (pattern !== null) return spend(pattern);
      if (value instanceof Promise) return spend('Promise {}');
      const names = keys(value);
      const property = (i: number): string => {
        const name = names[i] as string;
        return spend(`${stringify(name)}:`) + show((value as Record<string, unknown>)[name]);
      };
      return list('{', names.length, property, '}');
    };

    const show = (value: unknown): string => {
      if (room <= 0) return '';
      switch (typeof value) {
        case 'string':
          return spend(stringify(value.length > room ? `${value.slice(0, room)}…` : value));
        case 'bigint':
          return spend(`${value}n`);
        case 'function':
          return spend(`[function ${String(value.name)}]`);
        case 'object': {
          if (value === null) return spend('null');
          if (above.includes(value)) return spend('[circular]');
          above.push(value);
          try {
            return showObject(value);
          } catch {
            return spend('[a value that cannot be shown]');
          } finally {
            above.pop();
          }
        }
        default:
          return spend(String(value));
      }
    };

    try {
      return typeof top === 'string' ? spend(top) : show(top);
    } catch {
      return 'a value that cannot be shown';
    }
  };
}
