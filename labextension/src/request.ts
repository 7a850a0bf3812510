/**
 * The control API, as the Jupyter server forwards it: one method for each route.
 *
 * Rule 1: nothing else in this extension sends a request.  Rule 2: a failure is a RequestFailed.
 */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import { RequestFailed, troubleOfAnswer } from './trouble';
import type {
  About,
  AuditEntry,
  ChangeTraffic,
  CreateKey,
  EndpointMetrics,
  EndpointStatus,
  Event,
  IssuedKey,
  KeyStatus,
  RegistryDeploy,
  RegistryModel,
  RegistryOrder,
  RegistryUi,
  RequestFailure,
  RotateKey,
  Status,
  TrafficChanged,
  TryAnswer,
  TryForm
} from './types';

const ROOT = 'jupyter-deploy/api';
const REGISTRY = 'jupyter-deploy/mlflow';
/** So many failed requests are read at most. */
export const MOST_ERRORS = 20;

/** What the model and the actions ask for; tests give their own. */
export interface IControl {
  about(): Promise<About>;
  status(): Promise<Status>;
  metrics(name: string, window: number): Promise<EndpointMetrics>;
  errors(name: string): Promise<readonly RequestFailure[]>;
  logs(name: string, version: string | null): Promise<readonly string[]>;
  audit(name: string): Promise<readonly AuditEntry[]>;
  /** What happened to an endpoint, the last of it, oldest first. */
  events(name: string): Promise<readonly Event[]>;
  keys(name: string): Promise<readonly KeyStatus[]>;
  promote(name: string, change: ChangeTraffic): Promise<TrafficChanged>;
  rollback(name: string, change: ChangeTraffic): Promise<TrafficChanged>;
  undeploy(name: string): Promise<EndpointStatus>;
  createKey(key: CreateKey): Promise<IssuedKey>;
  rotateKey(id: string, change: RotateKey): Promise<IssuedKey>;
  revokeKey(id: string): Promise<KeyStatus>;
  secret(file: string): Promise<string>;
  /** Have the supervisor see whether somebody has changed the registry. */
  lookAtRegistry(): Promise<void>;
  registryUi(): Promise<RegistryUi>;
  /** Where the server passes on to the MLflow UI. */
  registryPage(place: string): string;
  registryModels(): Promise<readonly RegistryModel[]>;
  registryDeploys(): Promise<readonly RegistryDeploy[]>;
  deployRegistered(order: RegistryOrder): Promise<RegistryDeploy>;
  /** Cancel one that runs; forget one that has ended. */
  endRegistryDeploy(id: string): Promise<void>;
  putAliasBack(name: string): Promise<EndpointStatus>;
  form(name: string): Promise<TryForm>;
  tryIt(name: string, body: object): Promise<TryAnswer>;
}

export class Control implements IControl {
  constructor(private readonly _settings: ServerConnection.ISettings) {}

  about(): Promise<About> {
    return this._get('about');
  }

  status(): Promise<Status> {
    return this._get('status');
  }

  metrics(name: string, window: number): Promise<EndpointMetrics> {
    return this._get(`endpoints/${encode(name)}/metrics`, {
      window: String(window)
    });
  }

  errors(name: string): Promise<readonly RequestFailure[]> {
    return this._get(`endpoints/${encode(name)}/errors`, {
      limit: String(MOST_ERRORS)
    });
  }

  logs(name: string, version: string | null): Promise<readonly string[]> {
    const chosen = version === null ? {} : { version };
    return this._get(`endpoints/${encode(name)}/logs`, {
      lines: '100',
      ...chosen
    });
  }

  audit(name: string): Promise<readonly AuditEntry[]> {
    return this._get(`endpoints/${encode(name)}/audit`);
  }

  events(name: string): Promise<readonly Event[]> {
    return this._get('events', { endpoint: name });
  }

  keys(name: string): Promise<readonly KeyStatus[]> {
    return this._get('keys', { endpoint: name });
  }

  promote(name: string, change: ChangeTraffic): Promise<TrafficChanged> {
    return this._post(`endpoints/${encode(name)}/promote`, change);
  }

  rollback(name: string, change: ChangeTraffic): Promise<TrafficChanged> {
    return this._post(`endpoints/${encode(name)}/rollback`, change);
  }

  undeploy(name: string): Promise<EndpointStatus> {
    return this._send('DELETE', `endpoints/${encode(name)}`, {});
  }

  createKey(key: CreateKey): Promise<IssuedKey> {
    return this._post('keys', key);
  }

  rotateKey(id: string, change: RotateKey): Promise<IssuedKey> {
    return this._post(`keys/${encode(id)}/rotate`, change);
  }

  revokeKey(id: string): Promise<KeyStatus> {
    return this._post(`keys/${encode(id)}/revoke`, {});
  }

  async secret(file: string): Promise<string> {
    const answer = await this._post<{ secret: string }>('secret', { file });
    return answer.secret;
  }

  lookAtRegistry(): Promise<void> {
    return this._post('registry-look', {});
  }

  registryUi(): Promise<RegistryUi> {
    return this._post('registry-ui', {});
  }

  registryPage(place: string): string {
    return `${URLExt.join(this._settings.baseUrl, REGISTRY)}/#/${place}`;
  }

  registryModels(): Promise<readonly RegistryModel[]> {
    return this._get('registry-models');
  }

  registryDeploys(): Promise<readonly RegistryDeploy[]> {
    return this._get('registry-deploys');
  }

  deployRegistered(order: RegistryOrder): Promise<RegistryDeploy> {
    return this._post('registry-deploys', order);
  }

  endRegistryDeploy(id: string): Promise<void> {
    return this._send('DELETE', `registry-deploys/${encode(id)}`, {});
  }

  putAliasBack(name: string): Promise<EndpointStatus> {
    return this._post(`endpoints/${encode(name)}/put-alias-back`, {});
  }

  form(name: string): Promise<TryForm> {
    return this._get(`endpoints/${encode(name)}/form`);
  }

  tryIt(name: string, body: object): Promise<TryAnswer> {
    return this._post(`endpoints/${encode(name)}/try`, body);
  }

  private _get<T>(path: string, query: Record<string, string> = {}) {
    return this._send<T>('GET', path + URLExt.objectToQueryString(query));
  }

  private _post<T>(path: string, body: object) {
    return this._send<T>('POST', path, body);
  }

  private async _send<T>(
    method: string,
    path: string,
    body?: object
  ): Promise<T> {
    // URLExt.join would take a query for a part of the path, so the path goes in as it is.
    const url = `${URLExt.join(this._settings.baseUrl, ROOT)}/${path}`;
    const init = body ? { method, body: JSON.stringify(body) } : { method };
    const response = await this._ask(url, init);
    const answer: unknown = await response.json().catch(() => null);
    const trouble = troubleOfAnswer(response.status, answer);
    if (trouble !== null) {
      throw new RequestFailed(trouble);
    }
    return answer as T;
  }

  private async _ask(url: string, init: RequestInit): Promise<Response> {
    try {
      return await ServerConnection.makeRequest(url, init, this._settings);
    } catch {
      throw new RequestFailed({ kind: 'offline' });
    }
  }
}

function encode(part: string): string {
  return encodeURIComponent(part);
}
