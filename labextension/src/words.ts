/**
 * States, times and sizes in words.  Pure: the same data and the same `now` give the same words.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { EndpointStatus, Recent, VersionStatus } from './types';

export type Tone = 'good' | 'busy' | 'warn' | 'bad' | 'calm';

const TONES: Record<string, Tone> = {
  serving: 'good',
  active: 'good',
  canary: 'busy',
  shadow: 'busy',
  ready: 'good',
  failing: 'warn',
  degraded: 'bad',
  failed: 'bad',
  waiting: 'warn',
  ejected: 'warn',
  starting: 'busy',
  standby: 'busy'
};

export function tone(state: string): Tone {
  return TONES[state] ?? 'calm';
}

/** A state of an endpoint, a version or a replica, translated where it is known. */
export function stateWord(trans: TranslationBundle, state: string): string {
  switch (state) {
    case 'serving':
      return trans.__('serving');
    case 'failing':
      return trans.__('failing in part');
    case 'degraded':
      return trans.__('degraded');
    case 'stopped':
      return trans.__('stopped');
    case 'deploying':
      return trans.__('deploying');
    case 'starting':
      return trans.__('starting');
    case 'active':
      return trans.__('active');
    case 'canary':
      return trans.__('canary');
    case 'shadow':
      return trans.__('shadow');
    case 'standby':
      return trans.__('standby');
    case 'retired':
      return trans.__('retired');
    case 'failed':
      return trans.__('failed');
    case 'ready':
      return trans.__('ready');
    case 'waiting':
      return trans.__('waiting');
    case 'ejected':
      return trans.__('silent');
    case 'stopping':
      return trans.__('stopping');
    case 'gone':
      return trans.__('gone');
    default:
      return state;
  }
}

/** The place in MLflow's UI of "models:/churn/3"; that of all models for anything else. */
export function registryPlace(uri: string): string {
  const [, name, version] =
    uri.match(/^models:[/]([^/@]+)(?:[/]([0-9]+))?$/) ?? [];
  if (name === undefined) {
    return 'models';
  }
  const model = `models/${encodeURIComponent(name)}`;
  return version === undefined ? model : `${model}/versions/${version}`;
}

/** A figure of a run, with as many digits as are worth reading. */
export function figure(value: number): string {
  return String(Number(value.toPrecision(4)));
}

/** The version that was active before the active one, where it can serve again. */
export function rollbackTarget(endpoint: EndpointStatus): string | null {
  const find = (version: string | null | undefined) =>
    endpoint.versions.find(one => one.version === version);
  const before = find(find(endpoint.active)?.previous);
  return before && canServe(before) ? before.version : null;
}

/** Whether a version can take over the traffic. */
export function canServe(version: VersionStatus): boolean {
  return version.state === 'standby' || version.state === 'retired';
}

/** Who did something; Jupyter names whoever comes with a token by a random number. */
export function person(trans: TranslationBundle, user: string): string {
  return /^[0-9a-f]{32}$/.test(user) ? trans.__('JupyterLab') : user;
}

/** The newest first. */
export function newestFirst(endpoint: EndpointStatus): VersionStatus[] {
  return [...endpoint.versions].sort((a, b) => b.created_at - a.created_at);
}

/** So many versions are seen at once; the others are shown when they are asked for. */
const AT_ONCE = 5;

/** The newest versions, and older ones that run or are about to: newest first. */
export function inSight(endpoint: EndpointStatus): VersionStatus[] {
  const all = newestFirst(endpoint);
  const still = (one: VersionStatus) =>
    one.state === 'retired' || one.state === 'failed';
  const shown = all.filter((one, place) => place < AT_ONCE || !still(one));
  // A button in place of one version saves nothing.
  return shown.length + 1 < all.length ? shown : all;
}

/** Ready replicas of the active version, and all of them. */
export function replicaCount(endpoint: EndpointStatus): [number, number] {
  const active = endpoint.versions.find(v => v.version === endpoint.active);
  const replicas = active?.replicas ?? [];
  return [
    replicas.filter(one => one.state === 'ready').length,
    replicas.length
  ];
}

/** "just now", "4 min ago", "3 h ago", "2 days ago". */
export function age(trans: TranslationBundle, at: number, now: number): string {
  const seconds = Math.max(0, now - at);
  if (seconds < 45) {
    return trans.__('just now');
  }
  if (seconds < 3600) {
    return trans.__('%1 min ago', Math.max(1, Math.round(seconds / 60)));
  }
  if (seconds < 86400) {
    return trans.__('%1 h ago', Math.round(seconds / 3600));
  }
  const days = Math.round(seconds / 86400);
  return trans._n('%1 day ago', '%1 days ago', days);
}

/** A measured time: "42 ms", "1.3 s". */
export function measured(seconds: number): string {
  return seconds < 1
    ? `${Math.max(1, Math.round(seconds * 1000))} ms`
    : `${seconds.toFixed(1)} s`;
}

/** A time in milliseconds with as many digits as are worth reading: "4.2 ms", "10.2 s". */
export function milliseconds(value: number): string {
  if (value >= 1000) {
    return measured(value / 1000);
  }
  return `${value >= 100 ? Math.round(value) : value.toFixed(1)} ms`;
}

export function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}

/** A rate per second with as many digits as are worth reading. */
export function rate(perSecond: number): string {
  return perSecond >= 10 || perSecond === 0
    ? String(Math.round(perSecond))
    : perSecond.toFixed(1);
}

/** The share of requests that were refused for faults of their callers; what fails is ours. */
export function refusedShare(recent: Recent): number {
  return (recent.error_share ?? 0) - (recent.failed_share ?? 0);
}

/** A share of 0 to 1: "17.6 %", "0.02 %". */
export function percent(share: number): string {
  const value = share * 100;
  return `${Number(value >= 1 ? value.toFixed(1) : value.toPrecision(1))} %`;
}

/** The last part of a path. */
export function fileName(path: string): string {
  return path.split('/').pop() ?? path;
}
