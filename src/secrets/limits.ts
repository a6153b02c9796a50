/** A shorter value would be found by chance in what services answer, and be guessed. */
export const secretSizeMin = 6;
/** UTF-16 code units: a chain of certificates with its key fits. */
export const secretSizeMax = 64 * 1024;
export const secretsMax = 1000;
/** Of hosts, effects and workflows of one secret, each. */
export const bindingEntriesMax = 100;
