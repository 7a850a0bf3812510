/**
 * jupyterlab-deploy: what is served, how it is doing, and the buttons for it.
 */
import { plugins } from './plugins';

export { IDeployModel } from './tokens';
export default plugins;
