/**
 * The figures of one endpoint over a window, read again while somebody looks at them.
 */
import { UUID } from '@lumino/coreutils';
import { IDisposable } from '@lumino/disposable';
import { Poll } from '@lumino/polling';
import { ISignal, Signal } from '@lumino/signaling';

import { Trouble, troubleOf } from '../trouble';
import type { EndpointMetrics } from '../types';
import type { Split } from './figures';

/** Seconds. */
export const WINDOWS = [300, 900, 3600, 21600, 86400, 604800, 2592000] as const;
const FASTEST = 1000;
const SLOWEST = 30_000;

export interface IDashboardOptions {
  name: string;
  read: (name: string, window: number) => Promise<EndpointMetrics>;
  /** Whether nobody can see it now. */
  hidden: () => boolean;
  window?: number;
  /** What to show before, or instead of, the first answer. */
  known?: EndpointMetrics;
}

export class DashboardModel implements IDisposable {
  constructor(options: IDashboardOptions) {
    this.name = options.name;
    this._read = options.read;
    this._hidden = options.hidden;
    this._metrics = options.known ?? null;
    this._window = options.window ?? options.known?.window_seconds ?? 3600;
    this._poll = new Poll({
      name: `jupyterlab-deploy:metrics:${options.name}`,
      auto: false,
      linger: 0,
      factory: () => this.refresh(),
      frequency: {
        interval: this._interval(),
        backoff: true,
        max: SLOWEST * 2
      },
      standby: () => this._hidden() || 'when-hidden'
    });
  }

  readonly name: string;
  /** No other model has it. */
  readonly id = UUID.uuid4();

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get metrics(): EndpointMetrics | null {
    return this._metrics;
  }

  /** Why the last look failed, or null. */
  get trouble(): Trouble | null {
    return this._trouble;
  }

  get window(): number {
    return this._window;
  }

  get split(): Split {
    return this._split;
  }

  get isDisposed(): boolean {
    return this._poll.isDisposed;
  }

  start(): void {
    void this._poll.start();
  }

  stop(): void {
    if (!this.isDisposed) {
      void this._poll.stop();
    }
  }

  /** Read for another range; resolves when it has been read, or could not be. */
  async choose(window: number): Promise<void> {
    this._window = window;
    this._poll.frequency = {
      interval: this._interval(),
      backoff: true,
      max: SLOWEST * 2
    };
    this._changed.emit();
    await this._poll.refresh();
    await this._poll.tick;
  }

  splitBy(split: Split): void {
    this._split = split;
    this._changed.emit();
  }

  /** Read once; what comes for a window that is no longer asked for is dropped. */
  async refresh(): Promise<void> {
    const window = this._window;
    try {
      const found = await this._read(this.name, window);
      if (window !== this._window || this.isDisposed) {
        return;
      }
      this._metrics = found;
      this._trouble = null;
    } catch (error) {
      if (window === this._window && !this.isDisposed) {
        this._trouble = troubleOf(error);
        this._changed.emit();
      }
      // The poll waits longer after each failure.
      throw error;
    }
    this._changed.emit();
  }

  dispose(): void {
    this._poll.dispose();
    Signal.clearData(this);
  }

  private _interval(): number {
    // A figure of 30 days does not move every second.
    return Math.min(SLOWEST, Math.max(FASTEST, (this._window * 1000) / 1800));
  }

  private readonly _read: IDashboardOptions['read'];
  private readonly _hidden: () => boolean;
  private readonly _poll: Poll;
  private readonly _changed = new Signal<this, void>(this);
  private _metrics: EndpointMetrics | null;
  private _trouble: Trouble | null = null;
  private _window: number;
  private _split: Split = 'none';
}
