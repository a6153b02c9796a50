/** Puts a CommonJS package and what it needs into one text, for tests that run real libraries inside a VM. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/** An expression whose value is what `require(name)` gives. Builtins of Node are empty objects. */
export function bundle(name: string): string {
  const ids = new Map<string, number>();
  const modules: string[] = [];
  const add = (file: string): number => {
    const known = ids.get(file);
    if (known !== undefined) return known;
    const id = ids.size;
    ids.set(file, id);
    const text = readFileSync(file, 'utf8');
    if (file.endsWith('.json')) {
      modules[id] = `(module) => { module.exports = ${text}; }`;
      return id;
    }
    const { resolve } = createRequire(file);
    const linked = text.replace(/\brequire\((['"])([^'"]+)\1\)/g, (call, _quote: string, wanted: string) => {
      let found: string;
      try {
        found = resolve(wanted);
      } catch {
        return call;
      }
      return found.startsWith('/') ? `require(${add(found)})` : '({})';
    });
    modules[id] = `(module, exports, require) => {\n${linked}\n}`;
    return id;
  };
  add(createRequire(import.meta.url).resolve(name));
  return `(() => {
    const loaded = [];
    const sources = [${modules.join(',\n')}];
    const require = (id) => {
      if (loaded[id] === undefined) {
        loaded[id] = { exports: {} };
        sources[id](loaded[id], loaded[id].exports, require);
      }
      return loaded[id].exports;
    };
    return require(0);
  })()`;
}
