/** The load generator in a process of its own, so that it takes one core and no more, and none of the bench's event loop. */
import { sendLast } from './last-message.ts';
import { type LoadOptions, runLoad } from './load-generator.ts';

process.once('message', (options: LoadOptions) => {
  runLoad(options).then(
    (result) => sendLast(result),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
