/**
 * What the buttons do: ask where it matters, send, look again, and say how it went.
 *
 * Rule 1: what takes something away asks first, with the endpoint's name.  Rule 2: a change of
 * traffic is made against the generation that the person saw; an older one is refused.  Rule 3: a
 * secret goes from the server to the clipboard and is kept nowhere.
 */
import {
  Clipboard,
  Dialog,
  Notification,
  showDialog
} from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { DeployModel } from './model';
import { sayFailed } from './notify';
import type { IControl } from './request';
import type {
  CreateKey,
  EndpointStatus,
  KeyStatus,
  RegistryDeploy,
  TrafficChanged,
  TryAnswer
} from './types';
import { keeping } from './widgets/focus';
import { measured, registryPlace, rollbackTarget } from './words';

/** What the views may ask for. */
export interface IActions {
  /** Choose a model of the current notebook and deploy it. */
  deploy(): Promise<void>;
  promote(endpoint: EndpointStatus, version: string): Promise<void>;
  rollback(endpoint: EndpointStatus): Promise<void>;
  stop(endpoint: EndpointStatus): Promise<void>;
  /** Stop several at once; whoever calls this has asked. */
  stopAll(endpoints: readonly EndpointStatus[]): Promise<void>;
  /** The new key's file; null when it could not be made. */
  createKey(key: CreateKey): Promise<string | null>;
  rotateKey(endpoint: string, key: KeyStatus): Promise<string | null>;
  revokeKey(endpoint: string, key: KeyStatus): Promise<void>;
  copySecret(file: string): Promise<boolean>;
  copy(text: string): void;
  /** Open the MLflow UI, at the page of a registered model where one is named. */
  openRegistry(uri?: string): Promise<void>;
  /** Have MLflow's alias name what serves. */
  putAliasBack(endpoint: EndpointStatus): Promise<void>;
  /** The endpoint's answer; null when it could not be asked. */
  tryIt(name: string, body: object): Promise<TryAnswer | null>;
  /** Cancel a deploy that the server does; forget one that has failed. */
  endDeploy(deploy: RegistryDeploy): Promise<void>;
  /** Open a notebook at a cell. */
  openCell(path: string, cell: string): Promise<void>;
}

/** What the actions need of the notebooks. */
export interface INotebooks {
  ask(): Promise<void>;
  openCell(path: string, cell: string): Promise<void>;
}

export class Actions implements IActions {
  constructor(
    private readonly _control: IControl,
    private readonly _model: DeployModel,
    private readonly _trans: TranslationBundle,
    private readonly _notebooks: INotebooks
  ) {}

  deploy(): Promise<void> {
    return this._notebooks.ask();
  }

  promote(endpoint: EndpointStatus, version: string): Promise<void> {
    const { name, generation } = endpoint;
    return this._traffic(name, () =>
      this._control.promote(name, { version, generation })
    );
  }

  rollback(endpoint: EndpointStatus): Promise<void> {
    const { name, generation } = endpoint;
    const version = rollbackTarget(endpoint);
    return this._traffic(name, () =>
      this._control.rollback(name, { version, generation })
    );
  }

  async stop(endpoint: EndpointStatus): Promise<void> {
    const trans = this._trans;
    const { name } = endpoint;
    const sure = await this._ask(
      trans.__('Stop %1?', name),
      trans.__(
        'Whoever calls %1 gets an error from now on. Its versions and keys are kept: deploy or promote a version to serve again.',
        name
      ),
      trans.__('Stop %1', name)
    );
    if (sure) {
      await this._try(name, () => this._control.undeploy(name));
    }
  }

  async stopAll(endpoints: readonly EndpointStatus[]): Promise<void> {
    for (const { name } of endpoints) {
      await this._try(name, () => this._control.undeploy(name));
    }
  }

  async createKey(key: CreateKey): Promise<string | null> {
    const name = key.endpoints[0] ?? '';
    const issued = await this._try(name, () => this._control.createKey(key));
    return issued?.file ?? null;
  }

  async rotateKey(endpoint: string, key: KeyStatus): Promise<string | null> {
    const trans = this._trans;
    const sure = await this._ask(
      trans.__('Give %1 a new key for %2?', key.consumer, endpoint),
      trans.__(
        'The old key stays good for one more day, so that %1 can change over.',
        key.consumer
      ),
      trans.__('Rotate the key')
    );
    if (!sure) {
      return null;
    }
    const issued = await this._try(endpoint, () =>
      this._control.rotateKey(key.key_id, {})
    );
    return issued?.file ?? null;
  }

  async revokeKey(endpoint: string, key: KeyStatus): Promise<void> {
    const trans = this._trans;
    const sure = await this._ask(
      trans.__('Revoke the key of %1 for %2?', key.consumer, endpoint),
      trans.__(
        'Requests of %1 to %2 are refused within a second. This cannot be undone.',
        key.consumer,
        endpoint
      ),
      trans.__('Revoke the key')
    );
    if (sure) {
      await this._try(endpoint, () => this._control.revokeKey(key.key_id));
    }
  }

  async copySecret(file: string): Promise<boolean> {
    try {
      Clipboard.copyToSystem(await this._control.secret(file));
      return true;
    } catch (error) {
      this._sayFailed(error);
      return false;
    }
  }

  copy(text: string): void {
    Clipboard.copyToSystem(text);
  }

  async openRegistry(uri = ''): Promise<void> {
    const { view } = this._model;
    const remote =
      view.kind === 'ready' &&
      view.status.registry.tracking_uri.match(/^https?:/);
    if (!remote) {
      // At once, while the browser still knows that a person asked; the page waits for MLflow.
      window.open(
        this._control.registryPage(registryPlace(uri)),
        '_blank',
        'noopener'
      );
    }
    try {
      const { url } = await this._control.registryUi();
      if (remote) {
        window.open(`${url}/#/${registryPlace(uri)}`, '_blank', 'noopener');
      }
    } catch (error) {
      this._sayFailed(error);
    }
  }

  async putAliasBack(endpoint: EndpointStatus): Promise<void> {
    const { name } = endpoint;
    await this._try(name, () => this._control.putAliasBack(name));
  }

  async tryIt(name: string, body: object): Promise<TryAnswer | null> {
    try {
      return await this._control.tryIt(name, body);
    } catch (error) {
      this._sayFailed(error);
      return null;
    }
  }

  async endDeploy(deploy: RegistryDeploy): Promise<void> {
    try {
      await this._model.endDeploy(deploy.deploy_id);
    } catch (error) {
      this._sayFailed(error);
    }
  }

  openCell(path: string, cell: string): Promise<void> {
    return this._notebooks.openCell(path, cell);
  }

  private async _traffic(
    name: string,
    work: () => Promise<TrafficChanged>
  ): Promise<void> {
    const change = await this._try(name, work);
    if (change) {
      this._model.note(change);
      Notification.success(
        this._trans.__(
          '%1 now serves %2 (switched in %3).',
          name,
          change.version,
          measured(change.seconds)
        ),
        { autoClose: 4000 }
      );
    }
  }

  private async _try<T>(
    name: string,
    work: () => Promise<T>
  ): Promise<T | null> {
    try {
      return await this._model.change(name, work);
    } catch (error) {
      this._sayFailed(error);
      return null;
    }
  }

  private async _ask(title: string, body: string, label: string) {
    const answer = await keeping(() =>
      showDialog({
        title,
        body,
        buttons: [
          Dialog.cancelButton(),
          Dialog.warnButton({ className: 'jp-Deploy-sure', label })
        ],
        defaultButton: 0
      })
    );
    return answer.button.accept;
  }

  private _sayFailed(error: unknown): void {
    sayFailed(this._trans, error);
  }
}
