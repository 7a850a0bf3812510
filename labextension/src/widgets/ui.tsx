/**
 * What every part of the panel is given: the model to draw, the actions of its buttons, its words.
 */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { IActions } from '../actions';
import type { DeployModel } from '../model';

export interface IUi {
  readonly model: DeployModel;
  readonly actions: IActions;
  readonly trans: TranslationBundle;
  /** Open the dashboard of an endpoint. */
  readonly openDashboard: (endpoint: string) => void;
}

export const Ui = React.createContext<IUi | null>(null);

export function useUi(): IUi {
  const ui = React.useContext(Ui);
  if (ui === null) {
    throw new Error('A part of the panel is drawn outside it.');
  }
  return ui;
}

/** Seconds since the epoch, for ages; the panel is drawn again often enough. */
export function now(): number {
  return Date.now() / 1000;
}
