/** A crowd of clients in a process of its own. */
import { type CrowdOptions, runCrowd } from './crowd.ts';
import { sendLast } from './last-message.ts';

process.once('message', (options: CrowdOptions) => {
  runCrowd(options).then(
    (result) => sendLast(result),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
