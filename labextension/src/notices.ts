/**
 * News as a person is told them: what comes within a moment is one notice with a count, not many.
 * Pure.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { News } from './news';

/** How long after its last news a notice takes in more of them, in milliseconds. */
export const MOMENT = 10_000;

/** More names than these are a number. */
const NAMED = 3;
const MAX_CHARACTERS = 140;

export interface INotice {
  /** The same for as long as the notice grows. */
  readonly id: number;
  readonly kind: News['kind'];
  /** None where it is over. */
  readonly news: readonly News[];
  /** When it last grew, in milliseconds. */
  readonly at: number;
  /** When it last grew or shrank. */
  readonly changed: number;
}

/**
 * The notices that still take in news or wait for their end, once `fresh` has come: each goes to
 * the one of its kind, or to a new one, and an endpoint that serves again is no longer said not to
 * answer.  Those with `changed` now have something to say.
 */
export function gathered(
  notices: readonly INotice[],
  fresh: readonly News[],
  now: number
): INotice[] {
  const present = notices
    .filter(({ news }) => news.length > 0)
    .map(one => without(one, fresh, now));
  const grows = (one: INotice) => one.news.length > 0 && now - one.at <= MOMENT;
  const open = new Map(present.filter(grows).map(one => [one.kind, one]));
  const others = present.filter(
    one => !grows(one) && (one.kind === 'degraded' || one.changed === now)
  );
  let next = Math.max(0, ...notices.map(one => one.id));
  for (const one of fresh) {
    const { kind } = one;
    const grown = open.get(kind);
    const id = grown?.id ?? (next += 1);
    const news = [...(grown?.news ?? []).filter(old => !same(old, one)), one];
    open.set(kind, { id, kind, news, at: now, changed: now });
  }
  return [...others, ...open.values()];
}

/** A notice less the endpoints that `fresh` says serve again. */
function without(
  notice: INotice,
  fresh: readonly News[],
  now: number
): INotice {
  const again = fresh.filter(one => one.kind === 'recovered');
  const news = notice.news.filter(one => !again.some(two => same(one, two)));
  return notice.kind === 'degraded' && news.length < notice.news.length
    ? { ...notice, news, changed: now }
    : notice;
}

/** A notice in words. */
export function inWords(trans: TranslationBundle, notice: INotice): string {
  const [first, ...more] = notice.news;
  if (first === undefined) {
    return '';
  }
  return short(
    more.length === 0 ? ofOne(trans, first) : ofSeveral(trans, notice)
  );
}

function ofOne(trans: TranslationBundle, one: News): string {
  switch (one.kind) {
    case 'deployed':
      return one.state === 'standby'
        ? trans.__('%1 %2 is ready to be promoted.', one.endpoint, one.version)
        : trans.__('%1 %2 is serving.', one.endpoint, one.version);
    case 'failed':
      return trans.__('%1 could not be deployed. %2', titled(one), one.reason);
    case 'returned':
      return one.active
        ? trans.__('%1 has failed; %2 serves.', titled(one), one.active)
        : trans.__('%1 has failed; nothing serves.', titled(one));
    case 'degraded':
      return trans.__('%1 does not answer: no replica is ready.', one.endpoint);
    case 'recovered':
      return trans.__('%1 is serving again.', one.endpoint);
  }
}

function ofSeveral(trans: TranslationBundle, notice: INotice): string {
  const { kind, news } = notice;
  const names = named(trans, news.map(titled));
  switch (kind) {
    case 'deployed':
      return trans._n(
        '%1 version is deployed: %2.',
        '%1 versions are deployed: %2.',
        news.length,
        names
      );
    case 'failed':
      return trans._n(
        '%1 deploy has failed: %2.',
        '%1 deploys have failed: %2.',
        news.length,
        names
      );
    case 'returned':
      return trans._n(
        '%1 version has failed, and another one serves: %2.',
        '%1 versions have failed, and others serve: %2.',
        news.length,
        names
      );
    case 'degraded':
      return trans._n(
        '%1 endpoint does not answer: %2.',
        '%1 endpoints do not answer: %2.',
        news.length,
        names
      );
    case 'recovered':
      return trans._n(
        '%1 endpoint is serving again: %2.',
        '%1 endpoints are serving again: %2.',
        news.length,
        names
      );
  }
}

function titled(one: News): string {
  return 'version' in one
    ? `${one.endpoint} ${one.version}`.trim()
    : one.endpoint;
}

function named(trans: TranslationBundle, names: readonly string[]): string {
  const listed = names.slice(0, NAMED).join(', ');
  const others = names.length - NAMED;
  return others > 0
    ? trans._n('%2 and %1 more', '%2 and %1 more', others, listed)
    : listed;
}

function same(one: News, other: News): boolean {
  return titled(one) === titled(other);
}

function short(text: string): string {
  return text.length <= MAX_CHARACTERS
    ? text
    : `${text.slice(0, MAX_CHARACTERS - 1)}…`;
}
