/**
 * What the kernel of a notebook could deploy, asked without a trace in the notebook.
 *
 * An empty silent execution with a user expression counts no cell, writes no history, sends no
 * output and leaves `_` as it was; it waits for its turn like any cell, so it has a deadline.
 */
import type { Kernel } from '@jupyterlab/services';

const MIME = 'application/vnd.jupyter-deploy.models+json';
const EXPRESSION =
  "__import__('jupyter_deploy.notebook.snapshot', fromlist=['snapshot']).snapshot(get_ipython())";

/** A variable that %deploy takes; see jupyter_deploy/notebook/snapshot.py. */
export interface ICandidate {
  readonly name: string;
  readonly kind: 'estimator' | 'function';
  readonly type: string;
  readonly fitted: boolean | null;
  readonly columns: number | null;
  readonly frame: string | null;
  readonly rows: number | null;
}

export type Look =
  | { readonly kind: 'no-kernel' }
  | { readonly kind: 'not-python'; readonly language: string }
  | { readonly kind: 'busy' }
  | { readonly kind: 'not-installed'; readonly reason: string }
  | {
      readonly kind: 'ready';
      readonly loaded: boolean;
      readonly candidates: readonly ICandidate[];
      /** How many the kernel has seen; more than there are here when it has very many. */
      readonly count: number;
      /** Whether it ended before it had seen all. */
      readonly cut: boolean;
    };

/** Look into a kernel; `seconds` is the longest that it may take. */
export async function look(
  kernel: Kernel.IKernelConnection | null | undefined,
  seconds = 2
): Promise<Look> {
  if (!kernel) {
    return { kind: 'no-kernel' };
  }
  const info = await within(kernel.info, seconds);
  if (info === null) {
    return { kind: 'busy' };
  }
  const language = info.language_info.name;
  if (language !== 'python') {
    return { kind: 'not-python', language };
  }
  const asked = kernel.requestExecute({
    code: '',
    silent: true,
    store_history: false,
    allow_stdin: false,
    stop_on_error: false,
    user_expressions: { found: EXPRESSION }
  });
  const reply = await within(asked.done, seconds);
  if (reply === null) {
    asked.dispose();
    return { kind: 'busy' };
  }
  const { content } = reply;
  return content.status === 'ok'
    ? read(content.user_expressions['found'])
    : { kind: 'busy' };
}

/** A kernel's answer to the expression, as it stands in its reply. */
export function read(answer: unknown): Look {
  if (!isRecord(answer)) {
    return { kind: 'not-installed', reason: '' };
  }
  const data = isRecord(answer['data']) ? answer['data'][MIME] : undefined;
  if (!isRecord(data) || !Array.isArray(data['candidates'])) {
    const said = answer['evalue'];
    return {
      kind: 'not-installed',
      reason: typeof said === 'string' ? said : ''
    };
  }
  const candidates = data['candidates'] as ICandidate[];
  const count = data['count'];
  return {
    kind: 'ready',
    loaded: data['loaded'] === true,
    candidates,
    count: typeof count === 'number' ? count : candidates.length,
    cut: data['cut'] === true
  };
}

/** The lines of the cell that deploys `model` as `name`. */
export function deployCell(
  model: string,
  name: string,
  options: { loaded: boolean; stage: boolean }
): string {
  const line = `%deploy ${model} --name ${name}${options.stage ? ' --stage' : ''}`;
  return options.loaded ? line : `%load_ext jupyter_deploy\n${line}`;
}

/** A name for an endpoint from a variable's: "Churn_Model" gives "churn-model". */
export function suggestedName(variable: string): string {
  const name = variable
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+|-+$/g, '')
    .slice(0, 63);
  return name || 'model';
}

/** What a promise gives within this time; null when that is later, or it gives nothing. */
export async function within<T>(
  promise: Promise<T>,
  seconds: number
): Promise<T | null> {
  let timer = 0;
  const late = new Promise<null>(resolve => {
    timer = window.setTimeout(() => resolve(null), seconds * 1000);
  });
  try {
    // A kernel that is restarted meanwhile keeps none of its promises.
    return await Promise.race([promise.catch(() => null), late]);
  } finally {
    window.clearTimeout(timer);
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
