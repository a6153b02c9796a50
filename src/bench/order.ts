/** The request that the benches send: an order of ten items, about 300 bytes of JSON. */
interface Order {
  name: string;
  items: { price: number; qty: number }[];
}

const order: Order = {
  name: 'Ada Lovelace',
  items: Array.from({ length: 10 }, (_, index) => ({ price: 10.5 + index, qty: (index % 3) + 1 })),
};

export const orderJson = JSON.stringify(order);

/** What `order-total` answers to it, byte for byte. */
export const orderTotalJson = JSON.stringify({
  ok: true,
  total: order.items.reduce((sum, { price, qty }) => sum + price * qty, 0),
  name: order.name,
});

/** The code node of `order-total`. */
export const orderTotalCode = `let total = 0;
for (const item of input.body.items) total += item.price * item.qty;
return { ok: true, total, name: input.body.name };`;
