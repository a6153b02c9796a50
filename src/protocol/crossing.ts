/**
 * What crosses into a VM, as one string each: an argument more costs about as much as the crossing itself (measured: one string
 * 7 us, eight arguments 15 us). The first line holds numbers, separated by spaces; the rest are texts, one after the other; the last
 * text has no length, so that bytes which nobody has decoded yet can be put behind it.
 *
 *   start     run version timeMs hasBody | lengths of: execution id, seed, input, resume point \n … body
 *   deliver   run seq ok timeMs | length of: step path \n … result
 *
 * Lengths are in UTF-16 units. A frame carries the same text, so a runner passes it on as it came.
 */
export function packStart(
  run: number,
  version: number,
  timeMs: number,
  executionId: string,
  seed: string,
  inputJson: string,
  resumeJson: string,
  hasBody: boolean,
): string {
  return `${run} ${version} ${timeMs} ${hasBody ? 1 : 0} ${executionId.length} ${seed.length} ${inputJson.length} ${resumeJson.length}\n${executionId}${seed}${inputJson}${resumeJson}`;
}

export function packDelivery(
  run: number,
  seq: number,
  ok: boolean,
  timeMs: number,
  stepPath: string,
  json: string,
): string {
  return `${run} ${seq} ${ok ? 1 : 0} ${timeMs} ${stepPath.length}\n${stepPath}${json}`;
}
