/**
 * The endpoints in the panel of what is running, beside kernels and terminals.
 */
import type { IRunningSessions } from '@jupyterlab/running';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { IActions } from './actions';
import { seenState } from './attention';
import { deployIcon } from './icons';
import type { DeployModel } from './model';
import { stateWord } from './words';

interface IParts {
  readonly model: DeployModel;
  readonly actions: IActions;
  readonly trans: TranslationBundle;
  readonly show: (endpoint: string) => void;
}

export function runningEndpoints(parts: IParts): IRunningSessions.IManager {
  const { model, actions, trans, show } = parts;
  const active = () => model.endpoints.filter(one => one.active !== null);
  return {
    name: trans.__('Endpoints'),
    running: () =>
      active().map(one => ({
        icon: () => deployIcon,
        label: () => `${one.name} ${one.active}`,
        labelTitle: () => `${one.url}\n${stateWord(trans, seenState(one))}`,
        open: () => show(one.name),
        // Asks before it stops anything.
        shutdown: () => void actions.stop(one)
      })),
    runningChanged: model.changed,
    refreshRunning: () => void model.refresh(),
    shutdownLabel: trans.__('Stop…'),
    shutdownAllLabel: trans.__('Stop All'),
    shutdownAllConfirmationText: trans.__(
      'Whoever calls these endpoints gets an error from now on. Stop them all?'
    ),
    shutdownAll: () => void actions.stopAll(active())
  };
}
