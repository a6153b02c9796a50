// A workflow as a module: functions are the code of its nodes, and the editor knows what they are given.
//
//   curl localhost:8080/api/discount -H 'content-type: application/json' \
//     -d '{ "customer": "Ada", "items": [{ "price": 600, "qty": 2 }] }'
import { defineWorkflow } from '@nflow-engine/nflow/workflow';
import { type Order, total } from './discount/total.ts';

const path = '/api/discount';

export default defineWorkflow({
  format: 1,
  name: 'discount',
  description: 'Adds up an order, and gives a discount for large ones.',
  triggers: [{ type: 'http', method: 'POST', path }],
  durability: 'durable',
  timeout: '5s',
  nodes: {
    // From another file: it is published with this one.
    total: { type: 'code', code: total, next: 'isLarge' },
    isLarge: { type: 'if', condition: 'nodes.total.sum > 1000', then: 'discount', else: 'reply' },
    discount: {
      type: 'code',
      // It runs alone, in a VM: only its parameters and its own names are there.
      code(input, ctx, nodes) {
        const { customer } = input.body as Order;
        ctx.log.info(`a discount for ${customer}`);
        return { rate: nodes.total.sum > 5000 ? 0.2 : 0.1 };
      },
      next: 'reply',
    },
    reply: {
      type: 'code',
      code: (_input, _ctx, { total, discount }) => {
        const rate: number = discount?.rate ?? 0;
        return { ...total, rate, toPay: Math.round(total.sum * (1 - rate) * 100) / 100 };
      },
    },
  },
});
