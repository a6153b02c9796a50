/** What separates a runner from the rest of the machine: the names that `[runners] require`, the log and `doctor` use. */
export const isolationLayers = ['user', 'privileges', 'pid', 'net', 'ipc', 'mount', 'limits', 'permissions'] as const;

export type IsolationLayer = (typeof isolationLayers)[number];

/** What each of them is worth, for a person. */
export const isolationLayerTexts: Readonly<Record<IsolationLayer, string>> = {
  user: 'a user and a group of its own, shared with nobody, and no other groups',
  privileges: 'no capabilities, and no way to gain any by running a program (no_new_privs)',
  pid: 'sees no process but itself, and can signal none; it ends with what started it',
  net: 'a network without interfaces',
  ipc: 'shared memory, semaphores and message queues of its own',
  mount: 'a file system of its own that holds what Node needs, read-only: no data folder, no home, no /etc, no /proc',
  limits: 'limits of the kernel on open files, threads and the size of files; no core dumps',
  permissions: "Node's permission model: no files, processes or threads. A tripwire, since a native addon is loaded",
};

export function isIsolationLayer(name: string): name is IsolationLayer {
  return (isolationLayers as readonly string[]).includes(name);
}
