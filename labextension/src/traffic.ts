/**
 * Which versions of an endpoint get which share of its requests.  Pure.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import { percent } from './words';
import type { EndpointStatus } from './types';

/** What a version does with its share, in the order in which the bar shows them. */
const ROLES = ['active', 'canary', 'shadow', 'standby'] as const;
export type Role = (typeof ROLES)[number];

export interface IShare {
  readonly version: string;
  readonly role: Role;
  /** Of all requests that ask for no version; of a shadow, how many of them it gets a copy of. */
  readonly percent: number;
}

/** The versions that take requests, or are warm to do so at once. */
export function shares(endpoint: EndpointStatus): IShare[] {
  return ROLES.flatMap(role =>
    endpoint.versions
      .filter(one => one.state === role)
      .map(({ version, percent }) => ({ version, role, percent }))
  );
}

/** What stands beside the version. */
export function label(trans: TranslationBundle, share: IShare): string {
  const part = percent(share.percent / 100);
  switch (share.role) {
    case 'active':
      return part;
    case 'canary':
      return trans.__('canary %1', part);
    case 'shadow':
      return trans.__('shadow %1', part);
    case 'standby':
      return trans.__('warm');
  }
}

/** The same as a sentence. */
export function sentence(trans: TranslationBundle, share: IShare): string {
  const part = percent(share.percent / 100);
  switch (share.role) {
    case 'active':
      return trans.__('%1 gets %2 of the requests.', share.version, part);
    case 'canary':
      return trans.__(
        '%1 is tried as a canary with %2 of the requests.',
        share.version,
        part
      );
    case 'shadow':
      return trans.__(
        '%1 is a shadow: it gets a copy of %2 of the requests, and its answers go nowhere.',
        share.version,
        part
      );
    case 'standby':
      return trans.__('%1 is warm, without traffic.', share.version);
  }
}
