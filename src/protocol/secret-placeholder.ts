/**
 * What stands for a secret's value in a VM, in the journal and in the history: `nflow-secret.NAME.TOKEN`. The token is drawn from the
 * execution's seed, so that text from outside cannot smuggle a placeholder in. All its characters may stand in an address, a header
 * and JSON as they are, and no encoding of those changes it. The guest kernel makes it (`secretRef`), the gateway knows it again.
 */
export const secretNamePattern = /^[A-Za-z_][A-Za-z0-9_]{0,62}$/;
export const secretNameExpected = 'a name of letters, digits and _, not starting with a digit, at most 63 long';

const prefix = 'nflow-secret.';
const placeholderPattern = /nflow-secret\.([A-Za-z_][A-Za-z0-9_]{0,62})\.([0-9a-f]{32})/g;

/** Scope of the execution's random numbers that a secret's token is drawn from. */
export function tokenScopeOf(name: string): string {
  return `secret ${name}`;
}

/** Whether the text can hold a placeholder at all. */
export function mayHoldPlaceholder(text: string): boolean {
  return text.includes(prefix);
}

/** Replaces what looks like a placeholder; whether it is one, `replace` finds out by the token. */
export function replacePlaceholders(
  text: string,
  replace: (name: string, token: string, at: number, whole: string) => string,
): string {
  return text.replace(placeholderPattern, (whole, name: string, token: string, at: number) =>
    replace(name, token, at, whole),
  );
}

/** For people: `{{secrets.NAME}}` instead of each placeholder. */
export function namePlaceholders(text: string): string {
  return mayHoldPlaceholder(text) ? replacePlaceholders(text, (name) => `{{secrets.${name}}}`) : text;
}
