/**
 * The names by which the rest of JupyterLab knows this extension.
 */
import { Token } from '@lumino/coreutils';

import type { DeployModel } from './model';

/** The translation domain, and the name of the Python package. */
export const DOMAIN = 'jupyter_deploy';

/** The model that the panel, the status item and the running list share. */
export const IDeployModel = new Token<IDeployModel>(
  'jupyterlab-deploy:IDeployModel',
  'What is deployed: the state of the endpoints, kept up to date.'
);
export type IDeployModel = DeployModel;

export namespace CommandIDs {
  export const show = 'jupyter-deploy:show-panel';
  export const deploy = 'jupyter-deploy:deploy-model';
  export const refresh = 'jupyter-deploy:refresh-endpoints';
  export const rollback = 'jupyter-deploy:roll-back-endpoint';
  export const stop = 'jupyter-deploy:stop-endpoint';
  export const dashboard = 'jupyter-deploy:open-dashboard';
  export const copyUrl = 'jupyter-deploy:copy-url';
  export const registry = 'jupyter-deploy:open-registry';
}
