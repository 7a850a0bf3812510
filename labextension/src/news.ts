/**
 * What has changed between two looks, as far as a person should be told without asking.
 */
import type { EndpointStatus, RegistryDeploy, Status } from './types';

export type News =
  | { kind: 'deployed'; endpoint: string; version: string; state: string }
  | { kind: 'failed'; endpoint: string; version: string; reason: string }
  /** A version that had served; `active` does now. */
  | { kind: 'returned'; endpoint: string; version: string; active: string }
  | { kind: 'degraded'; endpoint: string }
  | { kind: 'recovered'; endpoint: string };

/** The news in `after`; none when there was no earlier look. */
export function news(before: Status | null, after: Status): News[] {
  if (before === null) {
    return [];
  }
  const earlier = new Map(before.endpoints.map(one => [one.name, one]));
  return after.endpoints.flatMap(one => newsOf(earlier.get(one.name), one));
}

function newsOf(before: EndpointStatus | undefined, after: EndpointStatus) {
  const found: News[] = [];
  const states = new Map(before?.versions.map(v => [v.version, v.state]));
  for (const { version, state, reason } of after.versions) {
    const earlier = states.get(version);
    if (earlier !== undefined && earlier !== 'starting') {
      if (state === 'failed' && earlier !== 'failed') {
        const active = after.active ?? '';
        found.push({ kind: 'returned', endpoint: after.name, version, active });
      }
      continue;
    }
    if (state === 'active' || state === 'standby') {
      found.push({ kind: 'deployed', endpoint: after.name, version, state });
    } else if (state === 'failed') {
      found.push({ kind: 'failed', endpoint: after.name, version, reason });
    }
  }
  if (before?.state === 'serving' && after.state === 'degraded') {
    found.push({ kind: 'degraded', endpoint: after.name });
  } else if (before?.state === 'degraded' && after.state === 'serving') {
    found.push({ kind: 'recovered', endpoint: after.name });
  }
  return found;
}

/**
 * Deploys of the server that have failed since; those that the supervisor saw fail are known from
 * their version.
 */
export function newsOfDeploys(
  before: readonly RegistryDeploy[],
  after: readonly RegistryDeploy[]
): News[] {
  const running = new Set(
    before.filter(one => one.state === 'running').map(one => one.deploy_id)
  );
  return after
    .filter(one => one.state === 'failed' && running.has(one.deploy_id))
    .filter(one => !isRegistered(one))
    .map(({ name: endpoint, detail: reason }) => ({
      kind: 'failed',
      endpoint,
      version: '',
      reason
    }));
}

function isRegistered(deploy: RegistryDeploy): boolean {
  return deploy.steps.some(
    step => step.name === 'register' && step.state === 'done'
  );
}
