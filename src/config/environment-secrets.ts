const variablePrefix = 'NFLOW_SECRETS__';

/** Keys of `[secrets]`, which the environment may set too. */
const configuredNames = ['KEY', 'PREVIOUS_KEY'];

/** Values of `NFLOW_SECRETS__NAME` by NAME: the secrets of a run without a server. */
export function environmentSecretValues(
  env: Readonly<Record<string, string | undefined>> = process.env,
): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const [variable, value] of Object.entries(env)) {
    const name = variable.startsWith(variablePrefix) ? variable.slice(variablePrefix.length) : '';
    if (name !== '' && value !== undefined && !configuredNames.includes(name)) values.set(name, value);
  }
  return values;
}
