/**
 * What is read of an endpoint when a section of its page is open.
 */
import type { Trouble } from './trouble';
import type {
  AuditEntry,
  Event,
  KeyStatus,
  RequestFailure,
  TryForm
} from './types';

export type Loadable<T> =
  | { readonly kind: 'idle' }
  | { readonly kind: 'loading' }
  | { readonly kind: 'ready'; readonly value: T }
  | { readonly kind: 'failed'; readonly trouble: Trouble };

export interface ISections {
  keys: readonly KeyStatus[];
  errors: readonly RequestFailure[];
  logs: readonly string[];
  events: readonly Event[];
  audit: readonly AuditEntry[];
  form: TryForm;
}
export type Section = keyof ISections;
export type Detail = { readonly [S in Section]: Loadable<ISections[S]> };

/** Nothing of a page that was just opened has been read. */
export const CLOSED: Detail = {
  keys: { kind: 'idle' },
  errors: { kind: 'idle' },
  logs: { kind: 'idle' },
  events: { kind: 'idle' },
  audit: { kind: 'idle' },
  form: { kind: 'idle' }
};
