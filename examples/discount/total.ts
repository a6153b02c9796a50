import type { Input } from '@nflow-engine/nflow/workflow';

export interface Order {
  customer: string;
  items: { price: number; qty: number }[];
}

export function total(input: Input): { customer: string; sum: number } {
  const { customer, items } = input.body as Order;
  let sum = 0;
  for (const { price, qty } of items) sum += price * qty;
  return { customer, sum };
}
