/**
 * The launcher of `bin/` holds the other end of our IPC channel. When it is killed, which no signal tells us, the kernel closes
 * the channel: we then end as it would have made us end. The callback given last is the one that counts.
 */
export function onLauncherDeath(callback: () => void): void {
  process.removeAllListeners('disconnect');
  if (process.channel === undefined) return;
  process.once('disconnect', callback);
  // The channel alone is no reason to go on.
  process.channel?.unref();
}
