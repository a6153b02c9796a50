import type { FinishedStep, IssuedEffect } from './port.ts';

/** Reads the parts of a segment's or an end's frame that the gateway needs. The texts come out of a VM, by way of a process that executes strangers' code. */
export function parseEffects(json: string): IssuedEffect[] {
  if (json === '') return [];
  return (JSON.parse(json) as [string, number, number, string, string, string?][]).map(
    ([stepPath, attempt, seq, kind, argumentsJson, optionsJson]) => ({
      stepPath,
      attempt,
      seq,
      kind,
      argumentsJson,
      optionsJson,
    }),
  );
}

export function parseFinished(json: string): FinishedStep[] {
  if (json === '') return [];
  return (JSON.parse(json) as string[]).map((entryJson) => ({ path: pathOf(entryJson), entryJson }));
}

/** The first item of a trace entry, without parsing the output that it ends with. */
function pathOf(entryJson: string): string {
  return JSON.parse(entryJson.slice(1, entryJson.indexOf('",') + 1)) as string;
}
