/**
 * Who may use which route of Fastify: the one table. A route that is not in it cannot be registered, so none is open by
 * having been forgotten (`guardRoutes` in access.ts). HEAD goes with GET.
 *
 *   public  anybody who reaches the port
 *   read    the admin token; without one only where reading is open (`AdminAccess.readsAreOpen`)
 *   write   the admin token, always
 */
export type Access = 'public' | 'read' | 'write';

export const accessTable: Readonly<Record<string, Access>> = {
  'GET /health': 'public',
  'GET /ready': 'public',
  'GET /metrics': 'read',
  'GET /nflow/api/v1/executions': 'read',
  'GET /nflow/api/v1/executions/events': 'read',
  'GET /nflow/api/v1/executions/:id': 'read',
  'PUT /nflow/api/v1/executions/:id/hold': 'write',
  'DELETE /nflow/api/v1/executions/:id/hold': 'write',
  'GET /nflow/api/v1/workflows': 'read',
  'POST /nflow/api/v1/workflows': 'write',
  'GET /nflow/api/v1/workflows/:name': 'read',
  'DELETE /nflow/api/v1/workflows/:name': 'write',
  'GET /nflow/api/v1/workflows/:name/draft': 'read',
  'PUT /nflow/api/v1/workflows/:name/draft': 'write',
  'DELETE /nflow/api/v1/workflows/:name/draft': 'write',
  'POST /nflow/api/v1/workflows/:name/publish': 'write',
  'POST /nflow/api/v1/workflows/:name/rollback': 'write',
  'POST /nflow/api/v1/workflows/:name/unpublish': 'write',
  'POST /nflow/api/v1/workflows/:name/test': 'write',
  'GET /nflow/api/v1/workflows/:name/versions': 'read',
  'GET /nflow/api/v1/workflows/:name/versions/:version': 'read',
  'GET /nflow/api/v1/workflows/:name/diff': 'read',
  // Names of secrets and where they go tell an attacker what is worth stealing.
  'GET /nflow/api/v1/secrets': 'write',
  'PUT /nflow/api/v1/secrets/:name': 'write',
  'DELETE /nflow/api/v1/secrets/:name': 'write',
  'POST /nflow/api/v1/secrets/rotate-key': 'write',
  'GET /nflow/api/v1/system': 'read',
  'GET /nflow/api/v1/servers': 'read',
  'GET /nflow/api/v1/openapi.json': 'read',
  // Files of the program itself; what they show of the server they have to read.
  'GET /nflow/api/docs': 'public',
  'GET /nflow/api/docs/page.css': 'public',
  'GET /nflow/api/docs/page.js': 'public',
};
