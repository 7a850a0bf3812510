/**
 * The item in the status bar: how many endpoints serve, and whether one needs a look.
 */
import { TextItem } from '@jupyterlab/statusbar';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import * as React from 'react';

import { urgency } from '../attention';
import { deployIcon } from '../icons';
import type { DeployModel } from '../model';

export class DeployStatus extends ReactWidget {
  constructor(
    private readonly _model: DeployModel,
    private readonly _trans: TranslationBundle,
    private readonly _show: () => void
  ) {
    super();
    this.addClass('jp-DeployStatus');
  }

  render(): JSX.Element {
    return (
      <UseSignal signal={this._model.changed}>
        {() => {
          const words = summary(this._model, this._trans);
          return (
            <button type="button" title={words.long} onClick={this._show}>
              <deployIcon.react tag="span" width="14px" height="14px" />
              <TextItem source={words.short} />
            </button>
          );
        }}
      </UseSignal>
    );
  }
}

/** Whether something is deployed, so that the item has something to say. */
export function isActive(model: DeployModel): boolean {
  return model.endpoints.some(one => one.active !== null);
}

function summary(model: DeployModel, trans: TranslationBundle) {
  const degraded = model.endpoints.filter(one => one.state === 'degraded');
  const failing = model.endpoints.filter(one => urgency(one) === 'failing');
  const serving = model.endpoints.filter(one => one.state === 'serving');
  if (degraded.length > 0) {
    const names = degraded.map(one => one.name).join(', ');
    return {
      // Many names would push out what else is there.
      short:
        degraded.length === 1
          ? trans.__('%1 degraded', names)
          : trans._n('%1 degraded', '%1 degraded', degraded.length),
      long: trans.__('No replica of %1 is ready', names)
    };
  }
  if (failing.length > 0) {
    const names = failing.map(one => one.name).join(', ');
    return {
      short:
        failing.length === 1
          ? trans.__('%1 fails in part', names)
          : trans._n('%1 fails in part', '%1 fail in part', failing.length),
      long: trans.__('Requests to %1 fail on our side', names)
    };
  }
  return {
    short: trans.__('%1 serving', serving.length),
    long: trans._n(
      '%1 endpoint is serving',
      '%1 endpoints are serving',
      serving.length
    )
  };
}
