/**
 * Notifications of what happened without this page: a deploy that finished or failed, an endpoint
 * that stopped answering.
 */
import { Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { News } from './news';
import { gathered, INotice, inWords } from './notices';
import { said, troubleOf } from './trouble';

/** What stays until a person has seen it. */
const STAYS: readonly News['kind'][] = ['failed', 'returned', 'degraded'];
const PASSES_MILLISECONDS = 5000;

/** The notifications of news; one that more news come to grows in its place. */
export class Notifications {
  constructor(
    private readonly _trans: TranslationBundle,
    /** Open an endpoint's page; null opens the list. */
    private readonly _show: (endpoint: string | null) => void
  ) {}

  tell(news: readonly News[]): void {
    const now = Date.now();
    const shown = new Map(this._notices.map(one => [one.id, this._id(one)]));
    this._notices = gathered(this._notices, news, now);
    this._ids = new Map(
      this._notices.map(one => [
        one.id,
        one.changed === now ? this._say(one, shown.get(one.id)) : this._id(one)
      ])
    );
  }

  private _id(notice: INotice): string {
    return this._ids.get(notice.id) ?? '';
  }

  private _say(notice: INotice, id: string | undefined): string {
    if (notice.news.length === 0) {
      if (id) {
        Notification.dismiss(id);
      }
      return '';
    }
    const stays = STAYS.includes(notice.kind);
    const type = stays ? 'error' : 'success';
    const message = inWords(this._trans, notice);
    const autoClose = stays ? (false as const) : PASSES_MILLISECONDS;
    const options = { actions: [this._action(notice)], autoClose };
    if (id && Notification.update({ id, message, type, ...options })) {
      return id;
    }
    return Notification.emit(message, type, options);
  }

  private _action(notice: INotice): Notification.IAction {
    const [only, ...more] = notice.news;
    return only && more.length === 0
      ? {
          label: this._trans.__('Show'),
          callback: () => this._show(only.endpoint)
        }
      : {
          label: this._trans.__('Show the list'),
          callback: () => this._show(null)
        };
  }

  private _notices: readonly INotice[] = [];
  /** Of the notifications, by the notices' own. */
  private _ids: ReadonlyMap<number, string> = new Map();
}

/** Say that something that a person asked for did not work, and what to do. */
export function sayFailed(trans: TranslationBundle, error: unknown): void {
  Notification.error(said(trans, troubleOf(error)), { autoClose: false });
}
