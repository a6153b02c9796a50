import type { SecretSummary } from '../../secrets/port.ts';
import { type ApiServer, apiPath, noContent, problems } from './api-server.ts';
import { type ApiParts, required } from './parts.ts';
import {
  givenSecretSchema,
  rotatedKeySchema,
  secretListSchema,
  secretParams,
  secretSchema,
} from './schemas/secret-schemas.ts';

const tags = ['secrets'];
const path = `${apiPath}/secrets`;

/** Values go in and never come out. */
export function addSecretRoutes(app: ApiServer, parts: ApiParts): void {
  const secretsOf = () => required(parts.secrets, 'a database: it keeps no secrets');

  app.get(
    path,
    {
      schema: {
        operationId: 'listSecrets',
        tags,
        summary: 'Secrets by name, without their values',
        response: { 200: secretListSchema, ...problems('not_available') },
      },
    },
    async () => ({ items: (await secretsOf().list()).map(secretView), nextCursor: null }),
  );

  app.put(
    `${path}/:name`,
    {
      schema: {
        operationId: 'setSecret',
        tags,
        summary: 'Sets a secret: its value, where it may go, and who may use it',
        params: secretParams,
        body: givenSecretSchema,
        response: { 200: secretSchema, ...problems('bad_body', 'invalid_input', 'not_available') },
      },
    },
    async (request) => {
      const { value, ...binding } = request.body;
      return secretView(await secretsOf().set(request.params.name, value, binding));
    },
  );

  app.delete(
    `${path}/:name`,
    {
      schema: {
        operationId: 'deleteSecret',
        tags,
        summary: 'Deletes a secret; workflows that use it fail from now on',
        params: secretParams,
        response: { 204: noContent, ...problems('invalid_input', 'not_found', 'not_available') },
      },
    },
    async (request, reply) => {
      await secretsOf().delete(request.params.name);
      reply.code(204);
      return null;
    },
  );

  app.post(
    `${path}/rotate-key`,
    {
      schema: {
        operationId: 'rotateSecretKey',
        tags,
        summary: 'Encrypts every secret with a new key, or with the one that is configured now',
        response: { 200: rotatedKeySchema, ...problems('conflict', 'not_available') },
      },
    },
    async () => secretsOf().rotateKey(),
  );
}

function secretView({ createdAt, updatedAt, ...summary }: SecretSummary) {
  return { ...summary, createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString() };
}
