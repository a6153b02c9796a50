/**
 * For workflow files outside of nFlow, such as in a test of theirs. nFlow itself never loads this: where it evaluates a workflow
 * file, the function is provided.
 *
 * @template T
 * @param {T} definition
 * @returns {T} the same definition
 */
export function defineWorkflow(definition) {
  return definition;
}
