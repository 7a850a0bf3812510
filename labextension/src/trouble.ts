/**
 * Why there is nothing to show: a closed list, so that each kind gets a panel of its own.  Pure.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import { codeOf, errorSaid, errorTitle } from './codes';

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

/** The trouble that an answer stands for, or null; `body` is its JSON, or null for anything else. */
export function troubleOfAnswer(status: number, body: unknown): Trouble | null {
  if (status >= 200 && status < 300) {
    // Whoever stands before the server has a page in place of an answer: one to log in.
    return body === null ? { kind: 'forbidden' } : null;
  }
  if (!isProblem(body)) {
    return withoutProblem(status);
  }
  const { detail, fix = '', title = '', type = '' } = body;
  const code = codeOf(type);
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
  // Of a proxy; JupyterHub says 424 (or 503) of a server that it has stopped.
  if ([424, 502, 503, 504].includes(status)) {
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

export interface IWords {
  readonly title: string;
  readonly text: string;
  /** Lines to type in a terminal, one after the other. */
  readonly commands: readonly string[];
}

/** A trouble, and what to do about it, where there is no room for a title. */
export function said(trans: TranslationBundle, trouble: Trouble): string {
  const { text } = inWords(trans, trouble);
  return trouble.kind === 'failed'
    ? errorSaid(trans, trouble.code, trouble.title, text)
    : text;
}

/** A trouble, and what to do about it, in words. */
export function inWords(trans: TranslationBundle, trouble: Trouble): IWords {
  switch (trouble.kind) {
    case 'disabled':
      return {
        title: trans.__('The server extension is not enabled'),
        text: trans.__(
          'This Jupyter server does not know jupyter_deploy. Install it where the server runs, enable it, and restart the server.'
        ),
        commands: [
          'pip install jupyterlab-deploy',
          'jupyter server extension enable jupyter_deploy'
        ]
      };
    case 'mismatch':
      return {
        title: trans.__('Server and page are of different releases'),
        text: trans.__(
          'The server has jupyter_deploy %1, which this page (%2) does not fit. Reload the page; if this stays, install one release in both places and restart the server.',
          trouble.server,
          trouble.lab
        ),
        commands: ['pip install --upgrade jupyterlab-deploy']
      };
    case 'no-supervisor':
      return {
        title: trans.__('The supervisor is not running'),
        text: `${trouble.detail} ${trouble.fix}`.trim(),
        commands: ['jupyter endpoint start']
      };
    case 'offline':
      return {
        title: trans.__('The Jupyter server does not answer'),
        text: trans.__(
          'The connection is lost or the server has stopped. What is deployed goes on serving without it. This page looks again by itself.'
        ),
        commands: []
      };
    case 'forbidden':
      return {
        title: trans.__('You may not see this'),
        text: trans.__(
          'The Jupyter server refuses. Log in again by reloading the page, or ask whoever runs the server for the right to use jupyter_deploy.'
        ),
        commands: []
      };
    case 'failed':
      return {
        title:
          errorTitle(trans, trouble.code, trouble.title) ||
          trans.__('Something went wrong'),
        text: `${trouble.detail} ${trouble.fix}`.trim(),
        commands: []
      };
  }
}
