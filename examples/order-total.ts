// The body of a function of (input, ctx, nodes, prev); the types are removed when the workflow is published.
interface Item {
  price: number;
  qty: number;
}

const { name, items } = input.body as { name: string; items: Item[] };

let total = 0;
for (const { price, qty } of items) {
  total += price * qty;
}

// Cents, so that 0.1 + 0.2 does not become 0.30000000000000004.
return { ok: true, total: Math.round(total * 100) / 100, name };
