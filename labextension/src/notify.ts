/**
 * Notifications of what happened without this page: a deploy that finished or failed, an endpoint
 * that stopped answering.
 */
import { Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { News } from './news';

const MAX_CHARACTERS = 140;

/** Say it; `show` opens the endpoint's page. */
export function notify(
  one: News,
  trans: TranslationBundle,
  show: (endpoint: string) => void
): void {
  const actions = [
    { label: trans.__('Show'), callback: () => show(one.endpoint) }
  ];
  switch (one.kind) {
    case 'deployed':
      Notification.success(
        one.state === 'standby'
          ? trans.__(
              '%1 %2 is ready to be promoted.',
              one.endpoint,
              one.version
            )
          : trans.__('%1 %2 is serving.', one.endpoint, one.version),
        { actions, autoClose: 5000 }
      );
      return;
    case 'failed':
      Notification.error(
        short(
          trans.__(
            '%1 %2 could not be deployed. %3',
            one.endpoint,
            one.version,
            one.reason
          )
        ),
        { actions, autoClose: false }
      );
      return;
    case 'degraded':
      Notification.error(
        trans.__('%1 does not answer: no replica is ready.', one.endpoint),
        { actions, autoClose: false }
      );
      return;
    case 'recovered':
      Notification.success(trans.__('%1 is serving again.', one.endpoint), {
        actions,
        autoClose: 5000
      });
  }
}

function short(text: string): string {
  return text.length <= MAX_CHARACTERS
    ? text
    : `${text.slice(0, MAX_CHARACTERS - 1)}…`;
}
