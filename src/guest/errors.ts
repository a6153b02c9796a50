/**
 * Puts a function of ours in the place of `Error`. V8 reads the limit of stacks from a writable data property of its own `Error`, and
 * libraries assign that; it would go from run to run, and who froze `Error` would leave it so for all others. So V8's own is out of
 * reach, with the limit given here, and assigning `Error.stackTraceLimit` or `Error.prepareStackTrace` (a hook that would see the
 * kernel's frames) goes nowhere.
 *
 * Evaluated inside the isolate from its source text, before everything else; it may use nothing from outside its own body.
 */
export function installErrors(stackTraceLimit: number): void {
  const RealError = Error as ErrorConstructor & { stackTraceLimit: number };
  const { defineProperty, getOwnPropertyDescriptors, defineProperties, setPrototypeOf, getPrototypeOf } = Object;
  const construct = Reflect.construct;
  RealError.stackTraceLimit = stackTraceLimit;

  // `new.target` is also what V8 leaves out of the stack, with all that is above it: this function is not seen there.
  // biome-ignore lint/suspicious/noShadowRestrictedNames: the function's own name is what authors see in `Error.name`
  const GuestError = function Error(this: unknown, _message?: unknown): unknown {
    // biome-ignore lint/complexity/noArguments: `Error.length` is 1, and options may be there or not
    return construct(RealError, arguments, new.target ?? GuestError);
  } as unknown as ErrorConstructor;

  const statics = getOwnPropertyDescriptors(RealError) as Record<string, PropertyDescriptor>;
  const { limit, hook } = {
    limit: {
      get: (): number => stackTraceLimit,
      set: (_limit: unknown): void => {},
      enumerable: true,
      configurable: true,
    },
    hook: { get: (): undefined => undefined, set: (_hook: unknown): void => {}, enumerable: false, configurable: true },
  };
  delete statics.prototype;
  delete statics.prepareStackTrace;
  defineProperties(GuestError, { ...statics, stackTraceLimit: limit });
  defineProperty(GuestError, 'prepareStackTrace', hook);
  defineProperty(GuestError, 'prototype', {
    value: RealError.prototype,
    writable: false,
    enumerable: false,
    configurable: false,
  });
  defineProperty(RealError.prototype, 'constructor', {
    value: GuestError,
    writable: true,
    enumerable: false,
    configurable: true,
  });
  for (const name of Object.getOwnPropertyNames(globalThis)) {
    const value = (globalThis as unknown as Record<string, unknown>)[name];
    if (typeof value === 'function' && getPrototypeOf(value) === RealError) setPrototypeOf(value, GuestError);
  }
  defineProperty(globalThis, 'Error', { value: GuestError, writable: true, enumerable: false, configurable: true });
}
