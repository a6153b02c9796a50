/** Nobody can tell whether Redis has done it: it is away, or it was when it should have answered. */
export class RedisAway extends Error {
  override readonly name = 'RedisAway';
}

/** What Redis itself says to a call, such as that the key holds another kind of value. */
export class RedisRefusal extends Error {
  override readonly name = 'RedisRefusal';
}

/** What Redis says while it cannot work: as good as away. */
const awayPattern =
  /^(LOADING|CLUSTERDOWN|MASTERDOWN|READONLY|TRYAGAIN|BUSY|NOREPLICAS|MISCONF|NOAUTH|WRONGPASS|NOPERM|UNBLOCKED)\b/;

export function redisFailureOf(error: unknown): RedisAway | RedisRefusal {
  if (error instanceof RedisAway) return error;
  const message = error instanceof Error ? error.message || error.name : String(error);
  const isReply = error instanceof Error && error.name === 'ReplyError';
  return isReply && !awayPattern.test(message) ? new RedisRefusal(message) : new RedisAway(message, { cause: error });
}
