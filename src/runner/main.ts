/** The entry point of a runner process: the gateway starts it with a socket and an announcement file, and nothing else. */
import { Socket } from 'node:net';
import { runnerSocketFd } from '../protocol/runner-settings.ts';
import { dropPrivileges } from './drop-privileges.ts';
import { Runner } from './runner.ts';

// All code is loaded by now, isolated-vm too.
dropPrivileges(process.argv);
const socket = new Socket({ fd: runnerSocketFd, readable: true, writable: true });
// Without its gateway a runner has no reason to live.
socket.on('close', () => process.exit(0));
socket.on('error', () => process.exit(0));
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
new Runner(socket);
