// Asks for the stock of several articles at one time, and keeps each answer for a minute: an article that was asked for before costs
// no call. It reaches 127.0.0.1:8080 because config.toml allows that address.
//
//   curl 'localhost:8080/api/availability?sku=A-1&sku=B-2'
import { defineWorkflow } from '@nflow-engine/nflow/workflow';

export default defineWorkflow({
  format: 1,
  name: 'availability',
  description: 'Asks for the stock of several articles at one time.',
  triggers: [{ type: 'http', method: 'GET', path: '/api/availability' }],
  durability: 'recorded',
  timeout: '10s',
  nodes: {
    ask: {
      type: 'code',
      async code(input, ctx) {
        const given = input.query.sku ?? [];
        const skus = [...new Set(Array.isArray(given) ? given : [given])].slice(0, 20);
        const answers = await Promise.all(
          skus.map(async (sku) => {
            try {
              const url = `http://127.0.0.1:8080/api/stock/${encodeURIComponent(sku)}`;
              const { body } = await ctx.http.get(url, { timeout: '5s', cache: { ttl: '1m', key: sku } });
              return { sku, inStock: body.inStock };
            } catch (error) {
              // One that fails does not take the others with it.
              ctx.log.warn(`no answer for ${sku}`, error);
              return { sku, inStock: null };
            }
          }),
        );
        return { articles: answers };
      },
    },
  },
});
