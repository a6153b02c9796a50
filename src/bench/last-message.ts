/** Sends the parent process the result and lets this one end. */
export function sendLast(message: object): void {
  if (process.send === undefined) throw new Error('this script is started by a bench, with an IPC channel');
  process.send(message, undefined, undefined, () => process.disconnect?.());
}
