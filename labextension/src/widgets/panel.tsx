/**
 * The sidebar: the list of endpoints, or the page of one.
 */
import {
  addIcon,
  launcherIcon,
  ReactWidget,
  refreshIcon,
  UseSignal
} from '@jupyterlab/ui-components';
import { IDisposable } from '@lumino/disposable';
import { Message } from '@lumino/messaging';
import * as React from 'react';

import { deployIcon } from '../icons';
import { Deploys } from './deploys';
import { EndpointPage } from './endpoint';
import { KeepFocus, land, Trail, trail } from './focus';
import { EndpointList } from './list';
import { IconButton } from './parts';
import { TroublePanel, TroubleStrip } from './trouble';
import { IUi, Ui, useUi } from './ui';

export class DeployPanel extends ReactWidget {
  static readonly ID = 'jupyterlab-deploy-panel';

  constructor(private readonly _ui: IUi) {
    super();
    this.id = DeployPanel.ID;
    this.addClass('jp-DeployPanel');
    this.title.icon = deployIcon;
    this.title.caption = this._ui.trans.__('Deployed models');
    this.node.tabIndex = -1;
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', this._ui.trans.__('Deployed models'));
  }

  render(): JSX.Element {
    return (
      <Ui.Provider value={this._ui}>
        <UseSignal signal={this._ui.model.changed}>{() => <Body />}</UseSignal>
      </Ui.Provider>
    );
  }

  dispose(): void {
    this._watch?.dispose();
    super.dispose();
  }

  /** Give the panel the focus: where it was there before, else at what comes first. */
  async focus(): Promise<void> {
    if (this.node.contains(document.activeElement)) {
      return;
    }
    const [last] = this._last;
    this.node.focus();
    await this.renderPromise;
    if (last instanceof HTMLElement && this.node.contains(last)) {
      last.focus();
    } else if (document.activeElement === this.node) {
      land(this.node);
    }
  }

  handleEvent(event: Event): void {
    if (event.type === 'focusin') {
      this._last = trail();
    }
  }

  protected onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this._look();
  }

  protected onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this._watch?.dispose();
    this._watch = null;
  }

  protected onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this.node.addEventListener('focusin', this);
    if (this.isVisible) {
      this._look();
    }
  }

  protected onBeforeDetach(message: Message): void {
    this.node.removeEventListener('focusin', this);
    super.onBeforeDetach(message);
  }

  private _look(): void {
    this._watch ??= this._ui.model.watch();
  }

  private _watch: IDisposable | null = null;
  private _last: Trail = [];
}

function Body(): JSX.Element {
  const { model } = useUi();
  return (
    <KeepFocus page={model.opened}>
      <Toolbar />
      <div className="jp-Deploy-body">
        <Content />
      </div>
    </KeepFocus>
  );
}

function Toolbar(): JSX.Element {
  const { actions, model, trans } = useUi();
  return (
    <div
      className="jp-Deploy-toolbar"
      role="toolbar"
      aria-label={trans.__('Deployed models')}
    >
      <h2>{trans.__('Deployed models')}</h2>
      <IconButton
        icon={addIcon}
        label={trans.__('Deploy a model of this notebook…')}
        onClick={() => void actions.deploy()}
      />
      <IconButton
        icon={launcherIcon}
        label={trans.__('Open the MLflow registry')}
        onClick={() => void actions.openRegistry()}
      />
      <IconButton
        icon={refreshIcon}
        label={trans.__('Look again')}
        onClick={() => void model.lookAgain()}
      />
    </div>
  );
}

function Content(): JSX.Element {
  const { model, trans } = useUi();
  const { view } = model;
  switch (view.kind) {
    case 'loading':
      return (
        <p className="jp-Deploy-hint" tabIndex={-1} data-lands="">
          {trans.__('Reading…')}
        </p>
      );
    case 'ready':
      return <Endpoints />;
    case 'failed':
      if (view.last === null || view.trouble.kind === 'mismatch') {
        return <TroublePanel trouble={view.trouble} />;
      }
      return view.trouble.kind === 'offline' ? (
        <>
          <TroubleStrip trouble={view.trouble} />
          <Endpoints />
        </>
      ) : (
        <TroublePanel trouble={view.trouble} />
      );
  }
}

function Endpoints(): JSX.Element {
  const { model } = useUi();
  const opened = model.endpoints.find(one => one.name === model.opened);
  return opened ? (
    <EndpointPage key={opened.name} endpoint={opened} />
  ) : (
    <>
      <Notes />
      <Deploys />
      <EndpointList />
    </>
  );
}

/** What the supervisor and the gateway have to say of themselves, if anything. */
function Notes(): JSX.Element | null {
  const { model } = useUi();
  const { view } = model;
  if (view.kind !== 'ready') {
    return null;
  }
  const { supervisor, gateway } = view.status;
  return (
    <>
      {[supervisor.note, gateway.note].filter(Boolean).map(note => (
        <p key={note} className="jp-Deploy-strip jp-mod-note" role="status">
          {note}
        </p>
      ))}
    </>
  );
}
