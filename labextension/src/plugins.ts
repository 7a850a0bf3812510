/**
 * The plugins: the model, and one for each place of JupyterLab where it is seen.
 *
 * Everything but the model is optional to each of them, so that they load in Notebook 7 and in an
 * application that lacks one of these places.
 */
import {
  ILabShell,
  ILayoutRestorer,
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ILauncher } from '@jupyterlab/launcher';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRunningSessionManagers } from '@jupyterlab/running';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { MessageLoop } from '@lumino/messaging';
import { Signal } from '@lumino/signaling';

import { Actions } from './actions';
import { addCommands } from './commands';
import { dashboardPlugin } from './dashboard/plugin';
import { DeployModel } from './model';
import { Deploying } from './notebook';
import { Notifications } from './notify';
import { meant } from './pointed';
import { Control } from './request';
import { runningEndpoints } from './running';
import { DeploySettings } from './settings';
import { CommandIDs, DOMAIN, IDeployModel } from './tokens';
import { DeployPanel } from './widgets/panel';
import { DeployStatus, isActive } from './widgets/status';

/** What the server extension emits when something has changed. */
const CHANGE = 'https://schema.jupyter.org/jupyter-deploy/change/v1';

const modelPlugin: JupyterFrontEndPlugin<IDeployModel> = {
  id: 'jupyterlab-deploy:model',
  description: 'Keeps what is known of the deployed models up to date.',
  autoStart: true,
  provides: IDeployModel,
  activate: (app: JupyterFrontEnd): IDeployModel => {
    const control = new Control(app.serviceManager.serverSettings);
    const model = new DeployModel({ control, hidden: () => document.hidden });
    app.serviceManager.events.stream.connect((_, emission) => {
      if (emission.schema_id === CHANGE) {
        model.noticed();
      }
    });
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) {
        model.awake();
      }
    });
    void app.restored.then(() => model.refresh());
    return model;
  }
};

const panelPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyterlab-deploy:plugin',
  description: 'A panel of the deployed models, with the commands for them.',
  autoStart: true,
  requires: [IDeployModel],
  optional: [
    ICommandPalette,
    ILabShell,
    ILauncher,
    ILayoutRestorer,
    INotebookTracker,
    IRunningSessionManagers,
    ISettingRegistry,
    IStatusBar,
    ITranslator
  ],
  activate: (
    app: JupyterFrontEnd,
    model: IDeployModel,
    palette: ICommandPalette | null,
    labShell: ILabShell | null,
    launcher: ILauncher | null,
    restorer: ILayoutRestorer | null,
    notebooks: INotebookTracker | null,
    running: IRunningSessionManagers | null,
    registry: ISettingRegistry | null,
    statusBar: IStatusBar | null,
    translator: ITranslator | null
  ): void => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const settings = new DeploySettings(registry, panelPlugin.id);
    const control = new Control(app.serviceManager.serverSettings);
    const deploying = new Deploying(
      notebooks,
      model,
      trans,
      path => app.commands.execute('docmanager:open', { path }),
      () => settings.runCell,
      () => app.shell.activateById(DeployPanel.ID)
    );
    const actions = new Actions(control, model, trans, deploying);
    const panel = new DeployPanel({
      model,
      actions,
      trans,
      openDashboard: endpoint =>
        void app.commands.execute(CommandIDs.dashboard, { endpoint })
    });
    app.shell.add(panel, 'left', { rank: 600, type: 'Deployed models' });
    restorer?.add(panel, panel.id);

    const show = (endpoint: string | null = null) => {
      if (endpoint !== null) {
        model.open(endpoint);
      }
      app.shell.activateById(panel.id);
      // The palette, when it closes, sends the focus to the notebook: that must be over.
      window.requestAnimationFrame(() => {
        MessageLoop.flush();
        void panel.focus();
      });
    };
    const { commands } = app;
    const ids = addCommands({
      commands,
      model,
      actions,
      trans,
      show: () => show(),
      meant: args => meant(app, args)
    });
    const category = trans.__('Deployed Models');
    ids.forEach(command => palette?.addItem({ command, category }));
    launcher?.add({
      command: CommandIDs.deploy,
      args: { isLauncher: true },
      category: trans.__('Other'),
      rank: 10
    });
    running?.add(runningEndpoints({ model, actions, trans, show }));
    const notifications = new Notifications(trans, endpoint => {
      model.open(endpoint);
      show();
    });
    model.told.connect((_, news) => {
      if (settings.notifications) {
        notifications.tell(news);
      }
    });
    if (statusBar && labShell) {
      addStatus(statusBar, new DeployStatus(model, trans, () => show()), model);
    }
  }
};

/** Add the status bar's item, which is there while something is deployed. */
function addStatus(
  statusBar: IStatusBar,
  item: DeployStatus,
  model: DeployModel
): void {
  const activeStateChanged = new Signal<DeployModel, void>(model);
  let active = isActive(model);
  model.changed.connect(() => {
    if (active !== isActive(model)) {
      active = !active;
      activeStateChanged.emit();
    }
  });
  statusBar.registerStatusItem('jupyterlab-deploy:status', {
    item,
    align: 'left',
    rank: 20,
    isActive: () => active,
    activeStateChanged
  });
}

export const plugins: JupyterFrontEndPlugin<unknown>[] = [
  modelPlugin,
  panelPlugin,
  dashboardPlugin
];
