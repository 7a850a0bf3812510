/**
 * Which versions of an endpoint get which share of its requests.  Pure.
 */
import type { EndpointStatus } from './types';

export interface IShare {
  readonly version: string;
  /** Of all requests that do not ask for one version. */
  readonly percent: number;
}

/** The versions that take requests, or are warm to do so at once; the active one first. */
export function shares(endpoint: EndpointStatus): IShare[] {
  const { active, standby } = endpoint;
  const found: IShare[] = [];
  if (active !== null) {
    found.push({ version: active, percent: 100 });
  }
  if (standby !== null) {
    found.push({ version: standby, percent: 0 });
  }
  return found;
}
