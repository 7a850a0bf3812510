import type { Kernel } from '@jupyterlab/services';

import { look } from '../kernel';

const PYTHON = { language_info: { name: 'python' } };

/** As much of a kernel as a look needs. */
function kernel(of: {
  info: Promise<unknown>;
  done?: Promise<unknown>;
}): Kernel.IKernelConnection {
  const asked = { done: of.done, dispose: () => undefined };
  return {
    info: of.info,
    requestExecute: () => asked
  } as unknown as Kernel.IKernelConnection;
}

const never = new Promise<never>(() => undefined);

// Nothing else of a browser is needed than its clock.
beforeAll(() => {
  Object.assign(globalThis, { window: globalThis });
});

describe('a look into a kernel', () => {
  it('takes one that says nothing of itself for one that is at work', async () => {
    // So it is after the page was loaded anew in the midst of a long cell.
    await expect(look(kernel({ info: never }), 0.01)).resolves.toEqual({
      kind: 'busy'
    });
  });

  it('takes one that is restarted meanwhile for one that is at work', async () => {
    const cancelled = () => Promise.reject(new Error('Canceled future'));
    const info = Promise.resolve(PYTHON);
    await expect(look(kernel({ info, done: cancelled() }))).resolves.toEqual({
      kind: 'busy'
    });
    await expect(look(kernel({ info: cancelled() }))).resolves.toEqual({
      kind: 'busy'
    });
  });
});
