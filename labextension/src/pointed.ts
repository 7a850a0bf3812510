/**
 * The endpoint that a command is for.
 */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';

/** What a command may be told of it. */
export const ONE_ENDPOINT = {
  type: 'object',
  properties: {
    endpoint: { type: 'string' },
    pointed: {
      type: 'boolean',
      description: 'Take the endpoint at which the context menu was opened.'
    }
  }
} as const;

/** The name that the arguments of a command give, or at which the context menu was opened. */
export function meant(
  app: JupyterFrontEnd,
  args: ReadonlyPartialJSONObject
): string | undefined {
  const { endpoint, pointed } = args;
  if (pointed !== true) {
    return typeof endpoint === 'string' ? endpoint : undefined;
  }
  const entry = app.contextMenuHitTest(node =>
    node.classList.contains('jp-Deploy-entry')
  );
  return entry?.dataset['lands'];
}
