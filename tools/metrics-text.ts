import { createMetrics } from '../src/observe/metrics.ts';

/** The reference of metrics, as Markdown: name, type and help of every series of nFlow's own. */
export async function metricsReference(): Promise<string> {
  const { text } = await createMetrics({ processMetrics: false }).expose();
  const types = new Map([...text.matchAll(/^# TYPE (nflow_\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]));
  const rows = [...text.matchAll(/^# HELP (nflow_\S+) (.*)$/gm)]
    .map(([, name = '', help = '']) => `| \`${name}\` | ${types.get(name)} | ${help} |`)
    .sort();
  return `# Metrics

\`GET /metrics\` answers in the text format of Prometheus. It belongs to administration: see [operate](../how-to/operate.md). Beside these it has Node's own series
of the gateway: CPU, memory, garbage collection, event-loop lag.

| name | type | what |
|---|---|---|
${rows.join('\n')}
`;
}
