import type { ServerApi } from './server-api.ts';
import { colors, writeJson, writeLine } from './terminal.ts';

export async function rollBack(api: ServerApi, name: string, version: number, asJson: boolean): Promise<void> {
  const done = (await api.post(`/workflows/${encodeURIComponent(name)}/rollback`, { version })) as {
    version: number;
    isChanged: boolean;
  };
  if (asJson) writeJson(done);
  else if (done.isChanged) {
    writeLine(
      `${colors.green('✔')} ${name} version ${done.version} ${colors.dim(`has the content of version ${version}`)}`,
    );
  } else writeLine(`${name} ${colors.dim('is unchanged: that is what is published')}`);
}

export async function unpublish(api: ServerApi, name: string, asJson: boolean): Promise<void> {
  await api.post(`/workflows/${encodeURIComponent(name)}/unpublish`);
  if (asJson) writeJson({ name, state: 'unpublished' });
  else
    writeLine(`${colors.green('✔')} ${name} ${colors.dim('answers no more; publish or roll back to bring it back')}`);
}
