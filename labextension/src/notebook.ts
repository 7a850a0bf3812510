/**
 * The way from the sidebar to a notebook: ask what to deploy, then add a cell that does it.
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
import { deployCell, look, Look } from './kernel';
import type { DeployModel } from './model';
import { DeployForm } from './widgets/deployform';

export class Deploying implements INotebooks {
  constructor(
    private readonly _tracker: INotebookTracker | null,
    private readonly _model: DeployModel,
    private readonly _trans: TranslationBundle,
    private readonly _open: (path: string) => Promise<unknown>,
    private readonly _run: () => boolean
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

  /** Ask for a model of the current notebook, and deploy it in a cell. */
  async ask(): Promise<void> {
    const panel = this._tracker?.currentWidget ?? null;
    const found = await look(panel?.sessionContext.session?.kernel);
    const names = this._model.endpoints.map(one => one.name);
    const form = new DeployForm(found, names, this._trans);
    const answer = await this._dialog(form, found).launch();
    const wanted = answer.value;
    if (!answer.button.accept || panel === null || found.kind !== 'ready') {
      await this._offerInstall(answer.button.accept, panel, found);
      return;
    }
    if (wanted) {
      const { model, name, stage } = wanted;
      await this._cell(panel, deployCell(model, name, { ...found, stage }));
    }
  }

  private _dialog(form: DeployForm, found: Look) {
    const trans = this._trans;
    const cancel = Dialog.cancelButton();
    const buttons = [cancel];
    if (found.kind === 'ready' && found.candidates.length > 0) {
      const label = this._run()
        ? trans.__('Add a cell and run it')
        : trans.__('Add a cell');
      buttons.push(Dialog.okButton({ label }));
    } else if (found.kind === 'not-installed') {
      const label = trans.__('Add a cell that installs it');
      buttons.push(Dialog.okButton({ label }));
    }
    return new Dialog({
      title: trans.__('Deploy a model'),
      body: form,
      buttons,
      focusNodeSelector: 'input'
    });
  }

  private async _offerInstall(
    accepted: boolean,
    panel: NotebookPanel | null,
    found: Look
  ): Promise<void> {
    if (accepted && panel !== null && found.kind === 'not-installed') {
      await this._cell(panel, '%pip install jupyterlab-deploy', false);
    }
  }

  private async _cell(
    panel: NotebookPanel,
    source: string,
    run: boolean = this._run()
  ): Promise<void> {
    const notebook = panel.content;
    await panel.context.ready;
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
}
