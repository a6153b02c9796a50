// Takes calls that are signed by who sends them, and refuses all others: the signature is over the body as it arrived, and no older
// than five minutes. The key is in [vars] of config.toml here; a key of value belongs into a secret.
//
//   BODY='{"event":"paid","order":17}' ID=msg_1 TIME=$(date +%s)
//   KEY=$(printf %s bmZsb3ctZXhhbXBsZS1rZXk= | base64 -d | od -An -tx1 | tr -d ' \n')
//   SIGNATURE=$(printf %s "$ID.$TIME.$BODY" | openssl dgst -sha256 -mac HMAC -macopt hexkey:$KEY -binary | base64)
//   curl -i localhost:8080/api/webhook -H 'content-type: application/json' \
//     -H "webhook-id: $ID" -H "webhook-timestamp: $TIME" -H "webhook-signature: v1,$SIGNATURE" -d "$BODY"
import { defineWorkflow } from '@nflow-engine/nflow/workflow';

export default defineWorkflow({
  format: 1,
  name: 'webhook',
  description: 'Takes calls that are signed by who sends them.',
  triggers: [
    {
      type: 'http',
      method: 'POST',
      path: '/api/webhook',
      headers: ['webhook-id', 'webhook-timestamp', 'webhook-signature'],
      rawBody: true,
    },
  ],
  durability: 'durable',
  timeout: '5s',
  nodes: {
    check: {
      type: 'crypto',
      operation: 'verifyWebhook',
      scheme: 'standard',
      payload: '{{ input.rawBody }}',
      headers: '{{ input.headers }}',
      key: '{{ vars.webhook_key }}',
      next: 'isSigned',
    },
    isSigned: { type: 'if', condition: 'prev.valid', then: 'accept', else: 'refuse' },
    refuse: {
      type: 'fail',
      code: 'not_signed',
      status: 401,
      message: 'The signature is not good: {{ nodes.check.reason }}.',
    },
    accept: {
      type: 'code',
      code: (input) => ({ received: input.body.event, order: input.body.order }),
    },
  },
});
