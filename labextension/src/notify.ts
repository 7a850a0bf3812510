/**
 * Notifications of what happened without this page: a deploy that finished or failed, an endpoint
 * that stopped answering.
 */
import { Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { News } from './news';
import { troubleOf } from './trouble';

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
            '%1 could not be deployed. %2',
            `${one.endpoint} ${one.version}`.trim(),
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

/** Say that something that a person asked for did not work, and what to do. */
export function sayFailed(trans: TranslationBundle, error: unknown): void {
  const trouble = troubleOf(error);
  const said =
    'detail' in trouble
      ? `${trouble.detail} ${trouble.fix}`.trim()
      : trans.__('The Jupyter server did not answer as expected.');
  Notification.error(said, { autoClose: false });
}

function short(text: string): string {
  return text.length <= MAX_CHARACTERS
    ? text
    : `${text.slice(0, MAX_CHARACTERS - 1)}…`;
}
