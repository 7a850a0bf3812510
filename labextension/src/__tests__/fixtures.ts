/**
 * Answers of the control API as a test wants them, and a control that gives them.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { IControl } from '../request';
import type { EndpointStatus, Recent, Status, VersionStatus } from '../types';

/** English, as JupyterLab's own bundle gives it without a catalogue. */
export const trans = {
  __: (text: string, ...values: unknown[]) => filled(text, values),
  _n: (one: string, many: string, n: number, ...values: unknown[]) =>
    filled(n === 1 ? one : many, [n, ...values])
} as TranslationBundle;

function filled(text: string, values: unknown[]): string {
  return text.replace(/%(\d)/g, (_, place) =>
    String(values[Number(place) - 1])
  );
}

export function version(of: Partial<VersionStatus> = {}): VersionStatus {
  return {
    version: '1.0.0',
    state: 'active',
    mlflow_version: '1',
    mlflow_uri: 'models:/churn/1',
    created_at: 1000,
    origin: {
      user: 'ada',
      via: 'notebook',
      notebook: '/home/ada/work/churn.ipynb',
      cell: 'c1',
      pid: 1,
      pid_started: 1
    },
    why: 'first version',
    reason: '',
    log: [],
    replicas: [
      { replica_id: 'r1', pid: 7, state: 'ready', restarts: 0, rss_bytes: 1e8 }
    ],
    previous: null,
    least_replicas: 1,
    most_replicas: 1,
    metrics: {},
    percent: 100,
    ...of
  };
}

export function endpoint(of: Partial<EndpointStatus> = {}): EndpointStatus {
  return {
    name: 'churn',
    url: 'http://127.0.0.1:8900/endpoints/churn',
    state: 'serving',
    active: '1.0.0',
    standby: null,
    generation: 1,
    versions: [version()],
    key_file: '/home/ada/keys/churn.key',
    deploying: null,
    example: null,
    recent: null,
    moved_alias: null,
    ...of
  };
}

export function recent(of: Partial<Recent> = {}): Recent {
  return {
    per_second: 3,
    p95_ms: 5,
    error_share: 0,
    step_seconds: 5,
    line: [1, 2, 3],
    failed_share: 0,
    ...of
  };
}

export function status(...endpoints: EndpointStatus[]): Status {
  return {
    supervisor: {
      pid: 1,
      version: '0.1.0',
      started_at: 1,
      home: '/home',
      note: ''
    },
    gateway: {
      pids: [2],
      url: 'http://127.0.0.1:8900',
      note: '',
      processes: 1
    },
    registry: {
      tracking_uri: 'sqlite:///x',
      ui_url: null,
      open_with: '',
      pending: 0
    },
    endpoints
  };
}

/** A control whose every method is missing but those that a test gives. */
export function control(of: Partial<IControl>): IControl {
  const about = async () => ({
    version: '0.1.0',
    api: 1,
    python: '/usr/bin/python',
    root: '/home/ada/work'
  });
  const registryDeploys = async () => [];
  return { about, registryDeploys, ...of } as IControl;
}

/** A promise and the way to settle it. */
export function promised<T>() {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>(done => {
    resolve = done;
  });
  return { promise, resolve };
}
