/**
 * The commands, for the palette, the launcher and keyboard shortcuts.
 */
import type { CommandRegistry } from '@lumino/commands';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import type { TranslationBundle } from '@jupyterlab/translation';
import {
  copyIcon,
  launcherIcon,
  refreshIcon,
  stopIcon,
  undoIcon
} from '@jupyterlab/ui-components';

import type { IActions } from './actions';
import { deployIcon } from './icons';
import type { DeployModel } from './model';
import { ONE_ENDPOINT } from './pointed';
import { invocations } from './snippets';
import { CommandIDs } from './tokens';
import type { EndpointStatus } from './types';

interface IParts {
  readonly commands: CommandRegistry;
  readonly model: DeployModel;
  readonly actions: IActions;
  readonly trans: TranslationBundle;
  /** Bring the panel to the front. */
  readonly show: () => void;
  /** The name of the endpoint that a command's arguments mean, if they mean one. */
  readonly meant: (args: ReadonlyPartialJSONObject) => string | undefined;
}

const NO_ARGUMENTS = { type: 'object', properties: {} } as const;

/** Add the commands; the ids of those that belong into the palette. */
export function addCommands(parts: IParts): string[] {
  const { commands, model, actions, trans, show, meant } = parts;
  const chosen = (args: ReadonlyPartialJSONObject) =>
    model.endpoints.find(one => one.name === (meant(args) ?? model.opened));
  commands.addCommand(CommandIDs.show, {
    label: trans.__('Show Deployed Models'),
    caption: trans.__('Open the panel of deployed models'),
    icon: deployIcon,
    describedBy: { args: NO_ARGUMENTS },
    execute: show
  });
  commands.addCommand(CommandIDs.deploy, {
    label: args =>
      args['isLauncher'] ? trans.__('Deploy a Model') : trans.__('Deploy…'),
    caption: trans.__('Serve a model of the current notebook as an API'),
    icon: deployIcon,
    describedBy: { args: NO_ARGUMENTS },
    execute: () => actions.deploy()
  });
  commands.addCommand(CommandIDs.refresh, {
    label: trans.__('Look Again at Deployed Models'),
    icon: refreshIcon,
    describedBy: { args: NO_ARGUMENTS },
    execute: () => model.lookAgain()
  });
  commands.addCommand(CommandIDs.registry, {
    label: trans.__('Open the MLflow Registry'),
    icon: launcherIcon,
    describedBy: { args: NO_ARGUMENTS },
    execute: () => actions.openRegistry()
  });
  commands.addCommand(CommandIDs.rollback, {
    label: args =>
      args['pointed']
        ? trans.__('Roll Back')
        : trans.__('Roll Back the Open Endpoint'),
    icon: undoIcon,
    describedBy: { args: ONE_ENDPOINT },
    isEnabled: args => !!chosen(args)?.active,
    execute: args => withEndpoint(chosen(args), one => actions.rollback(one))
  });
  commands.addCommand(CommandIDs.stop, {
    label: args =>
      args['pointed'] ? trans.__('Stop…') : trans.__('Stop the Open Endpoint…'),
    icon: stopIcon,
    describedBy: { args: ONE_ENDPOINT },
    isEnabled: args => !!chosen(args)?.active,
    execute: args => withEndpoint(chosen(args), one => actions.stop(one))
  });
  commands.addCommand(CommandIDs.copyUrl, {
    label: args =>
      args['pointed']
        ? trans.__('Copy the URL')
        : trans.__('Copy the URL of the Open Endpoint'),
    icon: copyIcon,
    describedBy: { args: ONE_ENDPOINT },
    isEnabled: args => !!chosen(args),
    execute: args =>
      withEndpoint(chosen(args), one => actions.copy(invocations(one.url)))
  });
  const elsewhere: string[] = [CommandIDs.dashboard];
  return Object.values(CommandIDs).filter(id => !elsewhere.includes(id));
}

async function withEndpoint(
  endpoint: EndpointStatus | undefined,
  work: (endpoint: EndpointStatus) => Promise<void> | void
): Promise<void> {
  if (endpoint) {
    await work(endpoint);
  }
}
