import { readFile } from 'node:fs/promises';
import type { FastifyInstance } from 'fastify';
import { pagePolicy } from '../security-headers.ts';

/** A page that shows the OpenAPI document. It is whole in itself: it loads nothing from elsewhere, and nothing in it is inline. */
const files: readonly [path: string, file: string, type: string][] = [
  ['/nflow/api/docs', 'page.html', 'text/html; charset=utf-8'],
  ['/nflow/api/docs/page.css', 'page.css', 'text/css; charset=utf-8'],
  ['/nflow/api/docs/page.js', 'page.js', 'text/javascript; charset=utf-8'],
];

export function addDocsPage(app: FastifyInstance): void {
  for (const [path, file, type] of files) {
    app.get(path, async (_request, reply) => {
      const content = await readFile(new URL(`./docs-page/${file}`, import.meta.url));
      return reply.header('content-type', type).header('content-security-policy', pagePolicy).send(content);
    });
  }
}
