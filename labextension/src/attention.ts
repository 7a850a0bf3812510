/**
 * What is wrong with an endpoint, and what to do about it.  Pure.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { EndpointStatus } from './types';
import { percent, rollbackTarget } from './words';

/** What a person should see first, the worst at first. */
const URGENCIES = ['down', 'failing', 'moved', 'none', 'stopped'] as const;
export type Urgency = (typeof URGENCIES)[number];

/** From this share of requests that fail on our side on, an endpoint asks for a look. */
const FAILING = 0.01;

/** How urgently an endpoint asks for a look. */
export function urgency(endpoint: EndpointStatus): Urgency {
  if (endpoint.state === 'stopped') {
    return 'stopped';
  }
  if (endpoint.state !== 'serving') {
    return 'down';
  }
  if ((endpoint.recent?.failed_share ?? 0) >= FAILING) {
    return 'failing';
  }
  return endpoint.moved_alias ? 'moved' : 'none';
}

/** The state as people see it: an endpoint that serves may fail in part. */
export function seenState(endpoint: EndpointStatus): string {
  return urgency(endpoint) === 'failing' ? 'failing' : endpoint.state;
}

/** What is wrong first, then by name. */
export function inOrder(
  endpoints: readonly EndpointStatus[]
): EndpointStatus[] {
  const place = (one: EndpointStatus) => URGENCIES.indexOf(urgency(one));
  return [...endpoints].sort(
    (a, b) => place(a) - place(b) || a.name.localeCompare(b.name)
  );
}

/** What is wrong with an endpoint and what to do about it; empty when it serves well. */
export function wrong(
  trans: TranslationBundle,
  endpoint: EndpointStatus
): string {
  switch (urgency(endpoint)) {
    case 'down':
      return down(trans, endpoint);
    case 'failing':
      return failing(trans, endpoint);
    case 'moved':
    case 'none':
    case 'stopped':
      return '';
  }
}

function down(trans: TranslationBundle, endpoint: EndpointStatus): string {
  const active = endpoint.active ?? '';
  const back = rollbackTarget(endpoint);
  const { reason } =
    endpoint.versions.find(one => one.version === active) ?? {};
  if (reason) {
    return back === null
      ? trans.__(
          '%1 does not serve. %2 It is started again by itself; if this stays, deploy a version that works.',
          active,
          reason
        )
      : trans.__(
          '%1 does not serve. %2 It is started again by itself; if this stays, roll back to %3.',
          active,
          reason,
          back
        );
  }
  return back === null
    ? trans.__(
        'No replica of %1 is ready. It is started again by itself; if this stays, read its log or deploy a version that works.',
        active
      )
    : trans.__(
        'No replica of %1 is ready. It is started again by itself; if this stays, roll back to %2.',
        active,
        back
      );
}

function failing(trans: TranslationBundle, endpoint: EndpointStatus): string {
  const share = percent(endpoint.recent?.failed_share ?? 0);
  const back = rollbackTarget(endpoint);
  return back === null
    ? trans.__(
        '%1 of the requests of the last minute failed on our side. Read why, or deploy a version that works.',
        share
      )
    : trans.__(
        '%1 of the requests of the last minute failed on our side. Read why, or roll back to %2.',
        share,
        back
      );
}

/** What to say of MLflow's alias where somebody has moved it; empty where nobody has. */
export function movedAlias(
  trans: TranslationBundle,
  endpoint: EndpointStatus
): string {
  const alias = endpoint.moved_alias;
  if (!alias) {
    return '';
  }
  const serves = endpoint.active ?? trans.__('nothing');
  return alias.version === null
    ? trans.__(
        "MLflow's alias active names version %1 of the registered model, which is not deployed; %2 serves.",
        alias.mlflow_version,
        serves
      )
    : trans.__(
        "MLflow's alias active names %1; %2 serves.",
        alias.version,
        serves
      );
}
