/**
 * The dashboard in the main area, and the same in the output of `%monitor`.
 */
import {
  ILayoutRestorer,
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import {
  ICommandPalette,
  InputDialog,
  MainAreaWidget,
  WidgetTracker
} from '@jupyterlab/apputils';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import {
  ITranslator,
  nullTranslator,
  TranslationBundle
} from '@jupyterlab/translation';

import { deployIcon } from '../icons';
import { meant, ONE_ENDPOINT } from '../pointed';
import { Control } from '../request';
import { CommandIDs, DOMAIN, IDeployModel } from '../tokens';
import { DashboardPage, MIME, MonitorOutput } from './widgets';

export const dashboardPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyterlab-deploy:dashboard',
  description: 'Figures of a deployed model, live.',
  autoStart: true,
  requires: [IDeployModel],
  optional: [
    ICommandPalette,
    ILayoutRestorer,
    IRenderMimeRegistry,
    ITranslator
  ],
  activate: (
    app: JupyterFrontEnd,
    model: IDeployModel,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null,
    rendermime: IRenderMimeRegistry | null,
    translator: ITranslator | null
  ): void => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const control = new Control(app.serviceManager.serverSettings);
    const read = (name: string, window: number) =>
      control.metrics(name, window);
    const tracker = new WidgetTracker<MainAreaWidget<DashboardPage>>({
      namespace: 'jupyterlab-deploy-dashboard'
    });
    const opened = (name: string) => {
      const present = tracker.find(one => one.content.name === name);
      if (present) {
        return present;
      }
      const content = new DashboardPage({ name, read, trans });
      const made = new MainAreaWidget({ content });
      made.toolbar.hide();
      made.id = `jupyterlab-deploy-dashboard-${name}`;
      void tracker.add(made);
      return made;
    };
    app.commands.addCommand(CommandIDs.dashboard, {
      label: args =>
        args['pointed']
          ? trans.__('Open the Dashboard')
          : trans.__('Open the Dashboard of an Endpoint'),
      caption: trans.__('Requests, times, errors and predictions, live'),
      icon: deployIcon,
      describedBy: { args: ONE_ENDPOINT },
      isEnabled: args => !!args['endpoint'] || model.endpoints.length > 0,
      execute: async args => {
        const name = await chosen(model, trans, meant(app, args));
        if (name !== null) {
          const page = opened(name);
          if (!page.isAttached) {
            app.shell.add(page, 'main');
          }
          app.shell.activateById(page.id);
        }
      }
    });
    palette?.addItem({
      command: CommandIDs.dashboard,
      category: trans.__('Deployed Models')
    });
    // By name, so that a page that is brought back finds the endpoint wherever it is now.
    void restorer?.restore(tracker, {
      command: CommandIDs.dashboard,
      args: page => ({ endpoint: page.content.name }),
      name: page => page.content.name
    });
    rendermime?.addFactory(
      {
        safe: true,
        mimeTypes: [MIME],
        createRenderer: () => new MonitorOutput({ read, trans })
      },
      0
    );
  }
};

/** The endpoint that was named, the only one, or the one that a person picks. */
async function chosen(
  model: IDeployModel,
  trans: TranslationBundle,
  named: string | undefined
): Promise<string | null> {
  const names = model.endpoints.map(one => one.name);
  if (named !== undefined) {
    return named;
  }
  if (names.length === 1 || model.opened !== null) {
    return model.opened ?? names[0] ?? null;
  }
  const picked = await InputDialog.getItem({
    title: trans.__('Whose dashboard?'),
    items: names
  });
  return picked.button.accept ? picked.value : null;
}
