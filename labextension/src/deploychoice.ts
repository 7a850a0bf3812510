/**
 * What a person chooses in "Deploy…": a model of the notebook or of the registry, and its endpoint.
 *
 * Rule 1: where a notebook's kernel can take it, it becomes a cell, so that the notebook stays the
 * record; else the server deploys it.  Rule 2: the registry is read when it is looked at: that
 * takes MLflow some seconds.
 */
import { ISignal, Signal } from '@lumino/signaling';

import { deployCell, ICandidate, Look, suggestedName } from './kernel';
import type { Loadable } from './detail';
import { troubleOf } from './trouble';
import type { RegistryModel, RegistryVersion } from './types';

export type Source = 'notebook' | 'registry';

/** What the name of an endpoint looks like. */
export const NAME = '[a-z]([a-z0-9\\-]{0,61}[a-z0-9])?';

/** What is to be deployed: a variable of the notebook, or the URI of a registered version. */
export interface IWanted {
  readonly source: Source;
  readonly model: string;
  readonly name: string;
  readonly stage: boolean;
}

export class DeployChoice {
  constructor(
    private readonly _found: Look,
    readonly names: readonly string[],
    private readonly _readRegistry: () => Promise<readonly RegistryModel[]>
  ) {
    const first = this.candidates.find(one => one.fitted !== false);
    if (first) {
      this.chooseCandidate(first.name);
    } else {
      this.chooseSource('registry');
    }
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get found(): Look {
    return this._found;
  }

  get candidates(): readonly ICandidate[] {
    return this._found.kind === 'ready' ? this._found.candidates : [];
  }

  /** What is looked for among the candidates. */
  get filter(): string {
    return this._filter;
  }

  /** The candidates whose name or type has what is looked for. */
  get shown(): readonly ICandidate[] {
    const wanted = this._filter.trim().toLowerCase();
    return this.candidates.filter(one =>
      `${one.name} ${one.type}`.toLowerCase().includes(wanted)
    );
  }

  /** How many candidates the kernel holds, as far as it was looked at. */
  get count(): number {
    return this._found.kind === 'ready' ? this._found.count : 0;
  }

  /** Whether the kernel holds candidates that are not among these, or may. */
  get more(): boolean {
    const found = this._found;
    return (
      found.kind === 'ready' &&
      (found.cut || found.count > found.candidates.length)
    );
  }

  get source(): Source {
    return this._source;
  }

  get registry(): Loadable<readonly RegistryModel[]> {
    return this._registry;
  }

  /** The variable that is chosen. */
  get candidate(): string {
    return this._candidate;
  }

  /** The registered model that is chosen. */
  get registered(): RegistryModel | undefined {
    const { _registry: known } = this;
    return known.kind === 'ready'
      ? known.value.find(one => one.name === this._registered)
      : undefined;
  }

  get version(): RegistryVersion | undefined {
    return this.registered?.versions.find(one => one.version === this._version);
  }

  get name(): string {
    return this._name;
  }

  get stage(): boolean {
    return this._stage;
  }

  /** The URI of the registered version that is chosen; empty when none is. */
  get uri(): string {
    return this.registered && this.version
      ? `models:/${this.registered.name}/${this.version.version}`
      : '';
  }

  /** Whether a cell of the notebook does it; else the server does. */
  get inNotebook(): boolean {
    return this._found.kind === 'ready' || this._found.kind === 'busy';
  }

  /** What is wanted; null while something of it is missing. */
  get wanted(): IWanted | null {
    const source = this._source;
    const model = source === 'notebook' ? this._candidate : this.uri;
    const named = new RegExp(`^${NAME}$`).test(this._name);
    return model && named
      ? { source, model, name: this._name, stage: this._stage }
      : null;
  }

  /** The cell that does it; empty while there is nothing to do, or no notebook to do it in. */
  get cell(): string {
    const { wanted } = this;
    if (wanted === null || !this.inNotebook) {
      return '';
    }
    const loaded = this._found.kind === 'ready' && this._found.loaded;
    return deployCell(wanted.model, wanted.name, {
      loaded,
      stage: wanted.stage
    });
  }

  chooseSource(source: Source): void {
    this._source = source;
    if (source === 'registry' && this._registry.kind === 'idle') {
      void this.readRegistry();
    }
    this._suggest();
  }

  chooseCandidate(name: string): void {
    this._candidate = name;
    this._suggest();
  }

  /** Show the candidates that have this in their name or type; one of them is chosen. */
  narrow(filter: string): void {
    this._filter = filter;
    const { shown } = this;
    if (!shown.some(one => one.name === this._candidate)) {
      this._candidate = shown.find(one => one.fitted !== false)?.name ?? '';
    }
    this._suggest();
  }

  /** Choose a registered model, and its newest version. */
  chooseRegistered(name: string): void {
    this._registered = name;
    this._version = this.registered?.versions[0]?.version ?? '';
    this._suggest();
  }

  chooseVersion(version: string): void {
    this._version = version;
    this._changed.emit();
  }

  chooseName(name: string): void {
    this._name = name;
    // An emptied field is one to be filled again.
    this._named = name !== '';
    this._changed.emit();
  }

  chooseStage(stage: boolean): void {
    this._stage = stage;
    this._changed.emit();
  }

  async readRegistry(): Promise<void> {
    this._registry = { kind: 'loading' };
    this._changed.emit();
    try {
      const value = await this._readRegistry();
      this._registry = { kind: 'ready', value };
      const first = value.find(one => one.versions.length > 0);
      this.chooseRegistered(first?.name ?? '');
    } catch (error) {
      this._registry = { kind: 'failed', trouble: troubleOf(error) };
      this._changed.emit();
    }
  }

  private _suggest(): void {
    const chosen =
      this._source === 'notebook' ? this._candidate : this._registered;
    if (!this._named && chosen) {
      this._name = suggestedName(chosen);
    }
    this._changed.emit();
  }

  private readonly _changed = new Signal<this, void>(this);
  private _source: Source = 'notebook';
  private _registry: Loadable<readonly RegistryModel[]> = { kind: 'idle' };
  private _filter = '';
  private _candidate = '';
  private _registered = '';
  private _version = '';
  private _name = '';
  private _named = false;
  private _stage = false;
}
