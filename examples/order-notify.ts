// The price of an order, with a discount for large ones.
interface Item {
  price: number;
  qty: number;
}

const items = input.body.items as Item[];
const full = items.reduce((sum, { price, qty }) => sum + price * qty, 0);
const discount = full > 5000 ? 0.1 : 0;

return { order: input.params.id, total: Math.round(full * (1 - discount) * 100) / 100, discount };
