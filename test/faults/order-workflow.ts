/**
 * The workflow that the kills meet: five nodes; effects that may be repeated (GET) and that may not (POST), one after the other and
 * side by side, one of them not awaited; a short sleep. Each effect has a path of its own at the target, `/RUN/NAME`, so that the
 * target's log tells what was performed how often without asking nFlow.
 */

/**
 * The effects of a run, each with those whose results the program had been given when it asked for it. Before an unsafe one leaves,
 * they are committed.
 */
export const orderEffects: Readonly<Record<string, { isSafe: boolean; after: readonly string[] }>> = {
  look: { isSafe: true, after: [] },
  price: { isSafe: true, after: ['look'] },
  reserve: { isSafe: false, after: ['look'] },
  invoice: { isSafe: false, after: ['look'] },
  notify: { isSafe: false, after: ['look', 'price', 'reserve', 'invoice'] },
  charge: { isSafe: false, after: ['look', 'price', 'reserve', 'invoice'] },
  ship: { isSafe: false, after: ['look', 'price', 'reserve', 'invoice', 'charge'] },
};

export function orderWorkflow(targetUrl: string, timeout = '60s'): object {
  const base = `'${targetUrl}/' + input.params.run`;
  return {
    format: 1,
    name: 'order',
    triggers: [{ type: 'http', method: 'POST', path: '/order/:run' }],
    durability: 'durable',
    timeout,
    nodes: {
      look: { type: 'http', method: 'GET', url: `${targetUrl}/{{ input.params.run }}/look?delayMs=5`, next: 'reserve' },
      reserve: {
        type: 'code',
        code: [
          `const base = ${base};`,
          'const [price, reserved, invoice] = await Promise.all([',
          "  ctx.http.get(base + '/price?delayMs=20'),",
          "  ctx.http.post(base + '/reserve?delayMs=10', { run: input.params.run, at: ctx.now() }),",
          "  ctx.http.post(base + '/invoice?delayMs=30', { run: input.params.run, id: ctx.uuid() }),",
          ']);',
          'return { price: price.body.path, reserved: reserved.body.path, invoice: invoice.body.path };',
        ].join('\n'),
        next: 'rest',
      },
      rest: {
        type: 'code',
        code: [
          `const base = ${base};`,
          "ctx.http.post(base + '/notify?delayMs=40', { pick: ctx.random() });",
          "await ctx.sleep('25ms');",
          "const charged = await ctx.http.post(base + '/charge?delayMs=5', { amount: nodes.reserve.price.length });",
          'return charged.body.path;',
        ].join('\n'),
        next: 'ship',
      },
      ship: {
        type: 'http',
        method: 'POST',
        url: `${targetUrl}/{{ input.params.run }}/ship`,
        body: { charged: '{{ nodes.rest }}' },
        next: 'reply',
      },
      reply: { type: 'respond', body: { run: '{{ input.params.run }}', shipped: '{{ nodes.ship.body.path }}' } },
    },
  };
}
