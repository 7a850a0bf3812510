import type { News } from '../news';
import { gathered, inWords, INotice, MOMENT } from '../notices';
import { trans } from './fixtures';

const silent = (endpoint: string): News => ({ kind: 'degraded', endpoint });
const again = (endpoint: string): News => ({ kind: 'recovered', endpoint });
const deployed = (endpoint: string): News => ({
  kind: 'deployed',
  endpoint,
  version: '1.0.0',
  state: 'active'
});

function words(notices: readonly INotice[]): string[] {
  return notices.map(one => inWords(trans, one));
}

describe('notices', () => {
  it('say one thing by itself', () => {
    expect(words(gathered([], [silent('churn')], 0))).toEqual([
      'churn does not answer: no replica is ready.'
    ]);
    expect(words(gathered([], [deployed('churn')], 0))).toEqual([
      'churn 1.0.0 is serving.'
    ]);
  });

  it('say which version serves in place of one that has failed', () => {
    const kind = 'returned' as const;
    const one: News = {
      kind,
      endpoint: 'a',
      version: '1.1.0',
      active: '1.0.0'
    };
    expect(words(gathered([], [one], 0))).toEqual([
      'a 1.1.0 has failed; 1.0.0 serves.'
    ]);
    const two: News = { ...one, endpoint: 'b' };
    expect(words(gathered([], [one, two], 0))).toEqual([
      '2 versions have failed, and others serve: a 1.1.0, b 1.1.0.'
    ]);
  });

  it('say with a count what came at once', () => {
    const twenty = Array.from({ length: 20 }, (_, n) => silent(`model-${n}`));
    expect(words(gathered([], twenty, 0))).toEqual([
      '20 endpoints do not answer: model-0, model-1, model-2 and 17 more.'
    ]);
  });

  it('grow with what comes within a moment, and only with that', () => {
    const first = gathered([], [silent('a')], 0);
    const grown = gathered(first, [silent('b')], MOMENT);
    expect(words(grown)).toEqual(['2 endpoints do not answer: a, b.']);
    expect(grown[0]?.id).toBe(first[0]?.id);
    const late = gathered(grown, [silent('c')], 2 * MOMENT + 1);
    expect(words(late)).toEqual([
      '2 endpoints do not answer: a, b.',
      'c does not answer: no replica is ready.'
    ]);
    expect(late[0]?.changed).toBe(MOMENT);
    expect(late[1]?.id).not.toBe(first[0]?.id);
  });

  it('end when what they say is over, and shrink until then', () => {
    const late = 3 * MOMENT;
    const first = gathered([], [silent('a'), silent('b')], 0);
    const half = gathered(first, [again('a')], late);
    expect(words(half)).toEqual([
      'b does not answer: no replica is ready.',
      'a is serving again.'
    ]);
    expect(half[0]).toMatchObject({ id: first[0]?.id, changed: late });
    const over = gathered(half, [again('b')], late + 1);
    expect(over[0]).toMatchObject({ id: first[0]?.id, news: [] });
    expect(words(over)[1]).toBe('2 endpoints are serving again: a, b.');
    expect(gathered(over, [], 9 * MOMENT)).toEqual([]);
  });

  it('keep good and bad apart, and tell which has grown', () => {
    const first = gathered([], [silent('a'), deployed('b')], 0);
    const then = gathered(first, [silent('c')], 1);
    expect(then.map(one => [one.kind, one.at])).toEqual([
      ['degraded', 1],
      ['deployed', 0]
    ]);
  });

  it('count what fails twice once', () => {
    const twice = gathered([], [silent('a'), silent('a')], 0);
    expect(words(twice)).toEqual(['a does not answer: no replica is ready.']);
  });

  it('are no longer than JupyterLab shows', () => {
    const long: News = {
      kind: 'failed',
      endpoint: 'churn',
      version: '1.0.0',
      reason: 'x'.repeat(300)
    };
    expect(words(gathered([], [long], 0))[0]).toHaveLength(140);
  });
});
