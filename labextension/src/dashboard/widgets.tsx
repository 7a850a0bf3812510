/**
 * Where a dashboard is shown: a page of the main area, or the output of a cell.
 *
 * Rule 1: nothing is asked while it cannot be seen.  Rule 2: the output of a notebook that is not
 * trusted asks nothing at all; it shows what was saved.
 */
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import * as React from 'react';

import { deployIcon } from '../icons';
import type { EndpointMetrics } from '../types';
import { DashboardModel, IDashboardOptions } from './dashboardmodel';
import { Dashboard } from './view';

/** What `%monitor` puts into a notebook: `{"metrics": EndpointMetrics}`. */
export const MIME = 'application/vnd.jupyter-deploy.metrics+json';

interface IParts {
  readonly read: IDashboardOptions['read'];
  readonly trans: TranslationBundle;
}

export class DashboardPage extends ReactWidget {
  constructor(private readonly _parts: IParts & { readonly name: string }) {
    super();
    const { name, read, trans } = _parts;
    this._model = new DashboardModel({
      name,
      read,
      hidden: () => !this.isVisible,
      window: 900
    });
    this.addClass('jp-DeployDashboard');
    this.title.label = name;
    this.title.icon = deployIcon;
    this.title.caption = trans.__('Dashboard of %1', name);
  }

  get name(): string {
    return this._parts.name;
  }

  render(): JSX.Element {
    return <Dashboard model={this._model} trans={this._parts.trans} />;
  }

  dispose(): void {
    this._model.dispose();
    super.dispose();
  }

  protected onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this._model.start();
  }

  protected onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this._model.start();
  }

  protected onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this._model.stop();
  }

  private readonly _model: DashboardModel;
}

export class MonitorOutput
  extends ReactWidget
  implements IRenderMime.IRenderer
{
  constructor(private readonly _parts: IParts) {
    super();
    this.addClass('jp-DeployDashboard');
    this.addClass('jp-mod-output');
  }

  async renderModel(output: IRenderMime.IMimeModel): Promise<void> {
    const { metrics } = output.data[MIME] as unknown as {
      metrics: EndpointMetrics;
    };
    this._model?.dispose();
    this._live = output.trusted;
    this._model = new DashboardModel({
      name: metrics.name,
      read: this._parts.read,
      hidden: () => !this.isVisible || !this._seen,
      known: metrics
    });
    if (this._live && this.isAttached) {
      this._model.start();
    }
    this.update();
  }

  render(): JSX.Element {
    return this._model ? (
      <Dashboard
        model={this._model}
        trans={this._parts.trans}
        still={!this._live}
        ground="--jp-layout-color0"
      />
    ) : (
      <></>
    );
  }

  dispose(): void {
    this._watch?.disconnect();
    this._model?.dispose();
    super.dispose();
  }

  protected onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    // An output that is scrolled away is not seen, though the notebook is.
    this._watch = new IntersectionObserver(entries => {
      this._seen = entries.some(one => one.isIntersecting);
    });
    this._watch.observe(this.node);
    if (this._live) {
      this._model?.start();
    }
  }

  protected onBeforeDetach(message: Message): void {
    this._watch?.disconnect();
    this._model?.stop();
    super.onBeforeDetach(message);
  }

  private _model: DashboardModel | null = null;
  private _watch: IntersectionObserver | null = null;
  private _seen = true;
  private _live = false;
}
