/**
 * Replaces every way to read the clock by the segment's time, which is fixed and recorded: `Date`, `Temporal.Now` and the
 * `Intl.DateTimeFormat` methods that default to now agree, and a replay sees what the first pass saw. Also puts the run's random
 * numbers behind `Math.random`.
 *
 * Evaluated inside the isolate from its source text, before hardening; it may use nothing from outside its own body.
 */
export function installClock(nowMs: () => number, random: () => number): void {
  const RealDate = Date;
  const { defineProperty, getOwnPropertyDescriptors, defineProperties } = Object;
  const construct = Reflect.construct;

  // biome-ignore lint/suspicious/noShadowRestrictedNames: the function's own name is what authors see in `Date.name`
  const GuestDate = function Date(this: unknown, ...given: unknown[]): unknown {
    if (new.target === undefined) return new RealDate(nowMs()).toString();
    return construct(RealDate, given.length === 0 ? [nowMs()] : given, new.target);
  };
  const statics = getOwnPropertyDescriptors(RealDate) as Record<string, PropertyDescriptor>;
  statics.now = { value: () => nowMs(), writable: true, enumerable: false, configurable: true };
  delete statics.prototype;
  defineProperties(GuestDate, statics);
  defineProperty(GuestDate, 'prototype', {
    value: RealDate.prototype,
    writable: false,
    enumerable: false,
    configurable: false,
  });
  defineProperty(RealDate.prototype, 'constructor', {
    value: GuestDate,
    writable: true,
    enumerable: false,
    configurable: true,
  });
  defineProperty(globalThis, 'Date', { value: GuestDate, writable: true, enumerable: false, configurable: true });

  defineProperty(Math, 'random', { value: () => random(), writable: true, enumerable: false, configurable: true });

  const format = Object.getOwnPropertyDescriptor(Intl.DateTimeFormat.prototype, 'format')?.get as () => (
    date: unknown,
  ) => string;
  const formatToParts = Intl.DateTimeFormat.prototype.formatToParts;
  defineProperty(Intl.DateTimeFormat.prototype, 'format', {
    configurable: true,
    enumerable: false,
    get(this: Intl.DateTimeFormat) {
      const bound = format.call(this);
      return (date?: unknown) => bound(date === undefined ? nowMs() : date);
    },
  });
  defineProperty(Intl.DateTimeFormat.prototype, 'formatToParts', {
    configurable: true,
    enumerable: false,
    writable: true,
    value: function (this: Intl.DateTimeFormat, date?: Date | number) {
      return formatToParts.call(this, date === undefined ? nowMs() : date);
    },
  });

  const temporal = (globalThis as unknown as { Temporal?: GuestTemporal }).Temporal;
  if (temporal !== undefined) {
    const zoned = (zone?: string): GuestZoned =>
      temporal.Instant.fromEpochMilliseconds(nowMs()).toZonedDateTimeISO(zone === undefined ? 'UTC' : zone);
    const replaced: Record<string, (zone?: string) => unknown> = {
      instant: () => temporal.Instant.fromEpochMilliseconds(nowMs()),
      timeZoneId: () => 'UTC',
      zonedDateTimeISO: (zone) => zoned(zone),
      plainDateTimeISO: (zone) => zoned(zone).toPlainDateTime(),
      plainDateISO: (zone) => zoned(zone).toPlainDate(),
      plainTimeISO: (zone) => zoned(zone).toPlainTime(),
    };
    for (const name of Object.keys(replaced)) {
      defineProperty(temporal.Now, name, {
        value: replaced[name],
        writable: true,
        enumerable: false,
        configurable: true,
      });
    }
  }

  interface GuestZoned {
    toPlainDateTime(): unknown;
    toPlainDate(): unknown;
    toPlainTime(): unknown;
  }
  interface GuestTemporal {
    Now: Record<string, unknown>;
    Instant: { fromEpochMilliseconds(ms: number): { toZonedDateTimeISO(zone: string): GuestZoned } };
  }
}
