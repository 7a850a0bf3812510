/**
 * Rates from counts: what the list shows of an endpoint's traffic while the panel is open.
 *
 * The supervisor counts since the gateway's start; a rate is the difference between two looks.
 */
import type { EndpointMetrics } from './types';

/** One look: counts at a time, in seconds. */
export interface ILook {
  readonly at: number;
  readonly requests: number;
  readonly errors: number;
}

/** `perSecond` holds a rate for each pair of looks, oldest first; it is bounded. */
export interface IRates {
  readonly last: ILook;
  readonly perSecond: readonly number[];
  readonly errorShare: number | null;
  readonly p95: number | null;
}

export const KEPT = 40;

/** `before` and a new look; counts that went back (a new gateway) begin anew. */
export function advance(
  before: IRates | undefined,
  metrics: EndpointMetrics,
  at: number
): IRates {
  const last = look(metrics, at);
  const p95 = metrics.p95_ms;
  const seconds = before ? at - before.last.at : 0;
  if (!before || seconds <= 0 || last.requests < before.last.requests) {
    return { last, perSecond: [], errorShare: null, p95 };
  }
  const requests = last.requests - before.last.requests;
  const errors = Math.max(0, last.errors - before.last.errors);
  return {
    last,
    perSecond: [...before.perSecond, requests / seconds].slice(-KEPT),
    errorShare: requests > 0 ? errors / requests : null,
    p95
  };
}

function look(metrics: EndpointMetrics, at: number): ILook {
  const errors = metrics.errors_4xx + metrics.errors_5xx;
  return { at, requests: metrics.requests, errors };
}
