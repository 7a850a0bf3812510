/**
 * The commands, for the palette, the launcher and keyboard shortcuts.
 */
import type { CommandRegistry } from '@lumino/commands';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import type { TranslationBundle } from '@jupyterlab/translation';
import {
  launcherIcon,
  refreshIcon,
  stopIcon,
  undoIcon
} from '@jupyterlab/ui-components';

import type { IActions } from './actions';
import { deployIcon } from './icons';
import type { DeployModel } from './model';
import { CommandIDs } from './tokens';
import type { EndpointStatus } from './types';

interface IParts {
  readonly commands: CommandRegistry;
  readonly model: DeployModel;
  readonly actions: IActions;
  readonly trans: TranslationBundle;
  /** Bring the panel to the front. */
  readonly show: () => void;
}

const NO_ARGUMENTS = { type: 'object', properties: {} } as const;
const ONE_ENDPOINT = {
  type: 'object',
  properties: { endpoint: { type: 'string' } }
} as const;

/** Add the commands; the ids of those that belong into the palette. */
export function addCommands(parts: IParts): string[] {
  const { commands, model, actions, trans, show } = parts;
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
    label: trans.__('Roll Back the Open Endpoint'),
    icon: undoIcon,
    describedBy: { args: ONE_ENDPOINT },
    isEnabled: args => !!chosen(model, args)?.active,
    execute: args => withEndpoint(model, args, one => actions.rollback(one))
  });
  commands.addCommand(CommandIDs.stop, {
    label: trans.__('Stop the Open Endpoint…'),
    icon: stopIcon,
    describedBy: { args: ONE_ENDPOINT },
    isEnabled: args => !!chosen(model, args)?.active,
    execute: args => withEndpoint(model, args, one => actions.stop(one))
  });
  const elsewhere: string[] = [CommandIDs.dashboard];
  return Object.values(CommandIDs).filter(id => !elsewhere.includes(id));
}

/** The endpoint that the arguments name, else the one whose page is open. */
function chosen(
  model: DeployModel,
  args: ReadonlyPartialJSONObject
): EndpointStatus | undefined {
  const name = args['endpoint'] ?? model.opened;
  return model.endpoints.find(one => one.name === name);
}

async function withEndpoint(
  model: DeployModel,
  args: ReadonlyPartialJSONObject,
  work: (endpoint: EndpointStatus) => Promise<void>
): Promise<void> {
  const endpoint = chosen(model, args);
  if (endpoint) {
    await work(endpoint);
  }
}
