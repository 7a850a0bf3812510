/**
 * The way from the sidebar to a notebook: ask what to deploy, then add a cell that does it.  Where
 * there is no notebook, the server deploys what is registered.
 *
 * Rule: whatever is done in a notebook's kernel is a visible cell of that notebook, which stays
 * the record of what happened.
 */
import { Dialog } from '@jupyterlab/apputils';
import {
  INotebookTracker,
  NotebookActions,
  NotebookPanel
} from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { INotebooks } from './actions';
import { DeployChoice, IWanted } from './deploychoice';
import { look, within } from './kernel';
import type { DeployModel } from './model';
import { sayFailed } from './notify';
import { DeployForm } from './widgets/deployform';
import { keeping } from './widgets/focus';

/** The dialog's button that installs us where the kernel is. */
const INSTALL = 'install';

/** How long a notebook that was just opened is waited for. */
const CONNECT_SECONDS = 3;

export class Deploying implements INotebooks {
  constructor(
    private readonly _tracker: INotebookTracker | null,
    private readonly _model: DeployModel,
    private readonly _trans: TranslationBundle,
    private readonly _open: (path: string) => Promise<unknown>,
    private readonly _run: () => boolean,
    /** Bring the panel to the front. */
    private readonly _show: () => void
  ) {}

  /** Open a notebook, and go to the cell with this id if it is still there. */
  async openCell(path: string, cell: string): Promise<void> {
    await this._open(path);
    const panel = this._tracker?.find(one => one.context.path === path);
    await panel?.context.ready;
    const place =
      panel?.content.widgets.findIndex(one => one.model.id === cell) ?? -1;
    if (panel && place >= 0) {
      panel.content.activeCellIndex = place;
      await panel.content.scrollToItem(place, 'center');
    }
  }

  /**
   * Ask what to deploy, and deploy it: in a cell of the current notebook where that can be.  Who asks
   * again while the kernel is looked into, or the dialog is there, gets no second one.
   */
  async ask(): Promise<void> {
    if (this._asking) {
      return;
    }
    this._asking = true;
    const work = await this._asked().finally(() => {
      this._asking = false;
    });
    await work();
  }

  /** Ask what to deploy; what does it. */
  private async _asked(): Promise<() => Promise<void>> {
    const panel = this._tracker?.currentWidget ?? null;
    const session = panel?.sessionContext;
    if (session) {
      // A notebook that was only just opened has a kernel in a moment.
      await within(session.ready, CONNECT_SECONDS);
    }
    const found = await look(session?.session?.kernel);
    const names = this._model.endpoints.map(one => one.name);
    const choice = new DeployChoice(found, names, () =>
      this._model.registryModels()
    );
    const form = new DeployForm(choice, this._trans);
    const answer = await keeping(() => this._dialog(form, choice).launch());
    if (answer.button.actions.includes(INSTALL) && panel !== null) {
      return () => this._cell(panel, '%pip install jupyterlab-deploy', false);
    }
    const { wanted, cell } = choice;
    if (!answer.button.accept || wanted === null) {
      return async () => undefined;
    }
    return panel !== null && cell
      ? () => this._cell(panel, cell)
      : () => this._onServer(wanted);
  }

  private async _onServer(wanted: IWanted): Promise<void> {
    const { model: uri, name, stage } = wanted;
    this._show();
    try {
      await this._model.deployRegistered({ uri, name, stage });
    } catch (error) {
      sayFailed(this._trans, error);
    }
  }

  private _dialog(form: DeployForm, choice: DeployChoice) {
    const trans = this._trans;
    const buttons = [Dialog.cancelButton()];
    if (choice.found.kind === 'not-installed') {
      const label = trans.__('Add a cell that installs it');
      buttons.push(
        Dialog.createButton({ label, actions: [INSTALL], accept: false })
      );
    }
    buttons.push(Dialog.okButton({ label: this._acceptLabel(choice) }));
    return new Dialog({
      title: trans.__('Deploy a model'),
      body: form,
      buttons,
      // Where many are narrowed, else a choice that is made, else the name: what is disabled takes
      // no focus.
      focusNodeSelector: 'input:checked, input.jp-mod-styled'
    });
  }

  private _acceptLabel(choice: DeployChoice): string {
    const trans = this._trans;
    if (!choice.inNotebook) {
      return trans.__('Deploy');
    }
    return this._run()
      ? trans.__('Add a cell and run it')
      : trans.__('Add a cell');
  }

  private async _cell(
    panel: NotebookPanel,
    source: string,
    run: boolean = this._run()
  ): Promise<void> {
    const notebook = panel.content;
    await panel.context.ready;
    if (!panel.isVisible) {
      await this._open(panel.context.path);
    }
    const active = notebook.activeCell?.model;
    if (active?.type !== 'code' || active.sharedModel.getSource() !== '') {
      NotebookActions.insertBelow(notebook);
    }
    notebook.activeCell?.model.sharedModel.setSource(source);
    panel.content.activate();
    if (run) {
      await NotebookActions.run(notebook, panel.sessionContext);
    }
  }

  private _asking = false;
}
