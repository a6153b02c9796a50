import { type ApiServer, apiPath, problems } from './api-server.ts';
import { type ApiParts, required } from './parts.ts';
import { serverListSchema, systemSchema } from './schemas/system-schemas.ts';

const tags = ['system'];

export function addSystemRoutes(app: ApiServer, parts: ApiParts): void {
  app.get(
    `${apiPath}/system`,
    {
      schema: {
        operationId: 'getSystem',
        tags,
        summary: 'The server that answers: version, isolation, limits',
        response: { 200: systemSchema, ...problems() },
      },
    },
    async () => {
      const { system } = parts;
      const { ready, reasons } = system.readiness();
      return {
        version: system.version,
        server: system.server,
        incarnation: system.incarnation,
        startedAt: system.startedAt.toISOString(),
        uptimeMs: Date.now() - system.startedAt.getTime(),
        node: process.versions.node,
        platform: `${process.platform} ${process.arch}`,
        isReady: ready,
        reasons,
        executionsInFlight: system.executionsInFlight(),
        workflowsPublished: system.workflowsPublished(),
        isolation: system.isolation(),
        limits: { ...system.limits },
      };
    },
  );

  app.get(
    `${apiPath}/servers`,
    {
      schema: {
        operationId: 'listServers',
        tags,
        summary: 'Gateways of all servers: those that live, and those that ended in the last days',
        response: { 200: serverListSchema, ...problems('not_available') },
      },
    },
    async () => {
      const incarnations = await required(parts.incarnations, 'a database: it knows of no other server')();
      return {
        items: incarnations.map(({ id, server, state, beat, startedAt, endedAt, takenBy }) => ({
          id,
          server,
          state,
          isThisOne: id === parts.system.incarnation,
          beat,
          startedAt: startedAt.toISOString(),
          endedAt: endedAt?.toISOString() ?? null,
          takenBy,
        })),
        nextCursor: null,
      };
    },
  );
}
