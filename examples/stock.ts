// A shelf in code; a real one would be asked of a database.
const shelf: Record<string, { name: string; inStock: number }> = {
  'A-1': { name: 'Anvil', inStock: 3 },
  'B-2': { name: 'Bell', inStock: 0 },
};

const sku: string = input.params.sku;
return Object.hasOwn(shelf, sku) ? { sku, ...shelf[sku] } : null;
