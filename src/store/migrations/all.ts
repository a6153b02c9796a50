/** Every migration, in order. They are TypeScript so that the compiled package carries them. */
import { sql as history } from './0001-history.ts';

export interface Migration {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
}

export const migrations: readonly Migration[] = [{ number: 1, name: 'history', sql: history }];
