/**
 * The settings that a person can change; the defaults hold until they have been read.
 */
import type { ISettingRegistry } from '@jupyterlab/settingregistry';

export class DeploySettings {
  constructor(registry: ISettingRegistry | null, plugin: string) {
    // Without its schema (an application that left it out) the defaults are as good.
    registry?.load(plugin).then(
      settings => {
        this._read(settings);
        settings.changed.connect(this._read, this);
      },
      () => undefined
    );
  }

  /** Whether "Deploy…" runs the cell that it adds. */
  get runCell(): boolean {
    return this._runCell;
  }

  get notifications(): boolean {
    return this._notifications;
  }

  private _read(settings: ISettingRegistry.ISettings): void {
    this._runCell = settings.composite['runCell'] !== false;
    this._notifications = settings.composite['notifications'] !== false;
  }

  private _runCell = true;
  private _notifications = true;
}
