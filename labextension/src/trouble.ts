/**
 * Why there is nothing to show: a closed list, so that each kind gets a panel of its own.
 */

export type Trouble =
  /** The server extension is not there: 404 without a problem document. */
  | { readonly kind: 'disabled' }
  /** The server extension speaks another API than this one. */
  | { readonly kind: 'mismatch'; readonly server: string; readonly lab: string }
  /** No supervisor runs, or it does not answer. */
  | {
      readonly kind: 'no-supervisor';
      readonly detail: string;
      readonly fix: string;
    }
  /** The Jupyter server does not answer. */
  | { readonly kind: 'offline' }
  /** Jupyter's authoriser says no, or the login has ended. */
  | { readonly kind: 'forbidden' }
  /** Anything else that was answered with an error. */
  | {
      readonly kind: 'failed';
      /** Of the problem document; empty where there was none. */
      readonly code: string;
      readonly title: string;
      readonly detail: string;
      readonly fix: string;
    };

/** A request that did not give what was asked for; `trouble` says why, in a form for people. */
export class RequestFailed extends Error {
  constructor(readonly trouble: Trouble) {
    super('detail' in trouble ? trouble.detail : trouble.kind);
    this.name = 'RequestFailed';
  }
}

/** The trouble of anything that was thrown. */
export function troubleOf(error: unknown): Trouble {
  if (error instanceof RequestFailed) {
    return error.trouble;
  }
  const detail = error instanceof Error ? error.message : String(error);
  return { kind: 'failed', code: '', title: '', detail, fix: '' };
}

/** The trouble that an answer other than 2xx stands for; `body` is its JSON, or null. */
export function troubleOfAnswer(status: number, body: unknown): Trouble {
  if (!isProblem(body)) {
    return withoutProblem(status);
  }
  const { detail, fix = '', title = '', type = '' } = body;
  const code = type.slice(type.lastIndexOf('#') + 1);
  return code === 'supervisor-unavailable'
    ? { kind: 'no-supervisor', detail, fix }
    : { kind: 'failed', code, title, detail, fix };
}

interface IProblem {
  detail: string;
  type?: string;
  title?: string;
  fix?: string;
}

function withoutProblem(status: number): Trouble {
  if (status === 404) {
    return { kind: 'disabled' };
  }
  if (status === 401 || status === 403) {
    return { kind: 'forbidden' };
  }
  if (status === 502 || status === 504) {
    return { kind: 'offline' };
  }
  const detail = `HTTP ${status}`;
  return { kind: 'failed', code: '', title: '', detail, fix: '' };
}

function isProblem(body: unknown): body is IProblem {
  // RFC 9457 says `type`; Jupyter's own errors have `message` and `reason` instead.
  return (
    typeof body === 'object' &&
    body !== null &&
    'type' in body &&
    'detail' in body &&
    typeof body.detail === 'string'
  );
}
