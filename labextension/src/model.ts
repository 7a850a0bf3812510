/**
 * What is deployed, as the views show it.
 *
 * Rule 1: the model asks and the views draw; a view never sends a request.  Rule 2: a change is
 * learnt from the server's events; the poll is for what an event cannot say, and rests while
 * nobody looks.  Rule 3: an event is a reason to look again, never data.
 */
import { IDisposable, DisposableDelegate } from '@lumino/disposable';
import { Poll } from '@lumino/polling';
import { ISignal, Signal } from '@lumino/signaling';

import { inOrder } from './attention';
import { CLOSED, Detail, ISections, Loadable, Section } from './detail';
import { news, News, newsOfDeploys } from './news';
import type { IControl } from './request';
import { RequestFailed, Trouble, troubleOf } from './trouble';
import type {
  About,
  EndpointStatus,
  RegistryDeploy,
  RegistryModel,
  RegistryOrder,
  Status,
  TrafficChanged
} from './types';

/** The number of the API that this extension was written for. */
export const API = 1;

export type View =
  | { readonly kind: 'loading' }
  | { readonly kind: 'ready'; readonly status: Status }
  | {
      readonly kind: 'failed';
      readonly trouble: Trouble;
      /** What was known before; it may be out of date. */
      readonly last: Status | null;
    };

export interface IModelOptions {
  control: IControl;
  /** Whether the page is hidden. */
  hidden?: () => boolean;
  /** How often the poll looks while somebody does, in milliseconds. */
  interval?: number;
}

export class DeployModel implements IDisposable {
  constructor(options: IModelOptions) {
    this._control = options.control;
    this._hidden = options.hidden ?? (() => false);
    const interval = options.interval ?? 3000;
    this._poll = new Poll({
      name: 'jupyterlab-deploy:status',
      auto: false,
      linger: 0,
      factory: () => this._pollOnce(),
      frequency: { interval, backoff: true, max: 20 * interval },
      standby: () => (this._watchers === 0 ? true : 'when-hidden')
    });
  }

  /** Something that a view shows has changed. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Things happened that a person should be told of. */
  get told(): ISignal<this, readonly News[]> {
    return this._told;
  }

  get view(): View {
    return this._view;
  }

  /**
   * The path of a file below the root of the server's files, as JupyterLab opens it; null when it
   * lies elsewhere.
   */
  below(file: string): string | null {
    const root = `${this._about?.root ?? ''}/`;
    return root !== '/' && file.startsWith(root)
      ? file.slice(root.length)
      : null;
  }

  /** The endpoints as far as they are known: what is wrong first, then by name. */
  get endpoints(): readonly EndpointStatus[] {
    return inOrder(this._known?.endpoints ?? []);
  }

  /** The endpoint whose page is open. */
  get opened(): string | null {
    return this._opened;
  }

  /** Deploys that the server does: those that are under way, and those that failed. */
  get deploys(): readonly RegistryDeploy[] {
    return this._deploys.filter(
      one => one.state === 'running' || one.state === 'failed'
    );
  }

  get detail(): Detail {
    return this._detail;
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  /** The last change of traffic that was made here, with its measured time. */
  lastChange(name: string): TrafficChanged | undefined {
    return this._changes.get(name);
  }

  /** Whether a change of this endpoint, made here, is under way. */
  isBusy(name: string): boolean {
    return this._busy.has(name);
  }

  /** Do `work` on an endpoint, show that it is under way, and look again after it. */
  async change<T>(name: string, work: () => Promise<T>): Promise<T> {
    this._busy.add(name);
    this._changed.emit();
    try {
      return await work();
    } finally {
      this._busy.delete(name);
      await this.refresh();
    }
  }

  /** Remember a change of traffic, to be shown. */
  note(change: TrafficChanged): void {
    this._changes.set(change.name, change);
  }

  registryModels(): Promise<readonly RegistryModel[]> {
    return this._control.registryModels();
  }

  /** Have the server deploy a registered model. */
  async deployRegistered(order: RegistryOrder): Promise<void> {
    await this._control.deployRegistered(order);
    await this.refresh();
  }

  /** Cancel a deploy that the server does; forget one that has failed. */
  async endDeploy(id: string): Promise<void> {
    await this._control.endRegistryDeploy(id);
    await this.refresh();
  }

  /** Somebody looks, until the result is disposed of. */
  watch(): IDisposable {
    this._watchers += 1;
    if (this._watchers === 1) {
      void this.refresh();
      void this._poll.start();
    }
    return new DisposableDelegate(() => {
      this._watchers -= 1;
      if (this._watchers === 0 && !this._disposed) {
        void this._poll.stop();
      }
    });
  }

  /** An event of the server: look again, now or when the page is seen again. */
  noticed(): void {
    if (this._hidden()) {
      this._stale = true;
    } else {
      void this.refresh();
    }
  }

  /** The page is seen again. */
  awake(): void {
    if (this._stale) {
      void this.refresh();
    }
  }

  /** Look now; looks that are asked for meanwhile become one more. */
  async refresh(): Promise<void> {
    if (this._looking) {
      this._again = true;
      return this._looking;
    }
    this._looking = this._lookWhileAsked().finally(() => {
      this._looking = null;
    });
    return this._looking;
  }

  /** A person asks: look now, and have the registry looked at, which takes MLflow some seconds. */
  async lookAgain(): Promise<void> {
    // Whoever may not have that done sees what is known.
    void this._control.lookAtRegistry().catch(() => undefined);
    await this.refresh();
  }

  /** Open the page of an endpoint; null closes it. */
  open(name: string | null): void {
    this._opened = name;
    this._detail = CLOSED;
    this._logVersion = null;
    this._unfolded.clear();
    this._changed.emit();
  }

  /** Read a section of the open page, and again whenever something changes. */
  unfold(section: Section): Promise<void> {
    this._unfolded.add(section);
    return this._read(section);
  }

  fold(section: Section): void {
    this._unfolded.delete(section);
  }

  /** Read the log of another version. */
  showLog(version: string | null): Promise<void> {
    this._logVersion = version;
    this._detail = { ...this._detail, logs: { kind: 'idle' } };
    return this.unfold('logs');
  }

  get logVersion(): string | null {
    return this._logVersion;
  }

  dispose(): void {
    if (this._disposed) {
      return;
    }
    this._disposed = true;
    this._poll.dispose();
    Signal.clearData(this);
  }

  private async _pollOnce(): Promise<void> {
    await this.refresh();
    const { view } = this;
    // Who is offline comes back at once; of any other failure the poll asks ever less often.
    if (view.kind === 'failed' && view.trouble.kind !== 'offline') {
      throw new RequestFailed(view.trouble);
    }
  }

  private async _lookWhileAsked(): Promise<void> {
    do {
      this._again = false;
      this._stale = false;
      await this._look();
    } while (this._again && !this._disposed);
  }

  private async _look(): Promise<void> {
    try {
      await this._compareVersions();
      const [status, deploys] = await Promise.all([
        this._control.status(),
        this._control.registryDeploys()
      ]);
      const told = [
        ...news(this._known, status),
        ...newsOfDeploys(this._deploys, deploys)
      ];
      this._known = status;
      this._deploys = deploys;
      this._show({ kind: 'ready', status });
      if (told.length > 0) {
        this._told.emit(told);
      }
      await Promise.all([...this._unfolded].map(one => this._read(one)));
    } catch (error) {
      const trouble = troubleOf(error);
      // After an upgrade the server that comes back may speak another API.
      this._about = null;
      this._show({ kind: 'failed', trouble, last: this._known });
    }
  }

  private async _compareVersions(): Promise<void> {
    if (this._about) {
      return;
    }
    const about = await this._control.about();
    if (about.api !== API) {
      throw new RequestFailed({
        kind: 'mismatch',
        server: about.version,
        lab: `API ${API}`
      });
    }
    this._about = about;
  }

  private async _read(section: Section): Promise<void> {
    const name = this._opened;
    if (name === null) {
      return;
    }
    if (this._detail[section].kind !== 'ready') {
      this._put(section, { kind: 'loading' });
    }
    // What was asked for later says more, also when it is answered earlier.
    const turn = (this._turns[section] ?? 0) + 1;
    this._turns[section] = turn;
    const found = await this._ask(section, name);
    const last = this._turns[section] === turn && this._opened === name;
    if (last && !this._disposed) {
      this._put(section, found);
    }
  }

  private async _ask(section: Section, name: string) {
    try {
      const value = await this._readers[section](name);
      return { kind: 'ready', value } as const;
    } catch (error) {
      return { kind: 'failed', trouble: troubleOf(error) } as const;
    }
  }

  private _put(section: Section, found: Loadable<unknown>): void {
    this._detail = { ...this._detail, [section]: found };
    this._changed.emit();
  }

  private _show(view: View): void {
    if (this._disposed) {
      return;
    }
    this._view = view;
    this._changed.emit();
  }

  private readonly _readers: {
    [S in Section]: (name: string) => Promise<ISections[S]>;
  } = {
    keys: name => this._control.keys(name),
    errors: name => this._control.errors(name),
    logs: name => this._control.logs(name, this._logVersion),
    events: name => this._control.events(name),
    audit: name => this._control.audit(name),
    form: name => this._control.form(name)
  };

  private readonly _control: IControl;
  private readonly _hidden: () => boolean;
  private readonly _poll: Poll;
  private readonly _changed = new Signal<this, void>(this);
  private readonly _told = new Signal<this, readonly News[]>(this);
  private readonly _changes = new Map<string, TrafficChanged>();
  private readonly _busy = new Set<string>();
  private readonly _unfolded = new Set<Section>();
  private _view: View = { kind: 'loading' };
  private _known: Status | null = null;
  private _deploys: readonly RegistryDeploy[] = [];
  private _opened: string | null = null;
  private _detail: Detail = CLOSED;
  private _logVersion: string | null = null;
  private _turns: { [S in Section]?: number } = {};
  private _watchers = 0;
  private _looking: Promise<void> | null = null;
  private _again = false;
  private _stale = false;
  private _about: About | null = null;
  private _disposed = false;
}
