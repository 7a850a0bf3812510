import { inOrder, seenState, wrong } from '../attention';
import {
  actionWord,
  errorSaid,
  errorTitle,
  happenedWord,
  stepWord,
  whyWord
} from '../codes';
import { deployCell, read, suggestedName } from '../kernel';
import { news } from '../news';
import { sparkPoints } from '../spark';
import { curl, python, quoted } from '../snippets';
import { label, sentence, shares } from '../traffic';
import { troubleOfAnswer } from '../trouble';
import {
  age,
  inSight,
  measured,
  milliseconds,
  percent,
  refusedShare,
  rollbackTarget,
  stateWord,
  tone
} from '../words';
import { endpoint, recent, status, trans, version } from './fixtures';

describe('words', () => {
  it('say what to do about an endpoint that does not answer', () => {
    const degraded = endpoint({
      state: 'degraded',
      active: '1.1.0',
      versions: [
        version({ state: 'standby' }),
        version({ version: '1.1.0', previous: '1.0.0' })
      ]
    });
    expect(wrong(trans, degraded)).toContain('roll back to 1.0.0');
    expect(wrong(trans, endpoint())).toBe('');
  });

  it('say why an endpoint does not answer, where that is known', () => {
    const reason = 'The interpreter /x cannot be started: No such file.';
    const alone = endpoint({
      state: 'degraded',
      versions: [version({ reason })]
    });
    expect(wrong(trans, alone)).toBe(
      `1.0.0 does not serve. ${reason} It is started again by itself; if this stays, deploy a version that works.`
    );
  });

  it('say what to do about an endpoint whose requests fail on our side', () => {
    const failing = endpoint({ recent: recent({ failed_share: 0.176 }) });
    expect(wrong(trans, failing)).toContain('17.6 % of the requests');
    const refusing = endpoint({
      recent: recent({ error_share: 0.5, failed_share: 0 })
    });
    expect(wrong(trans, refusing)).toBe('');
  });

  it('leave old versions out of sight until they are asked for', () => {
    const old = (n: number) =>
      version({ version: `1.${n}.0`, state: 'retired', created_at: n });
    const several = (count: number) => [...Array(count).keys()].map(old);
    const shown = (versions: ReturnType<typeof old>[]) =>
      inSight(endpoint({ versions })).map(one => one.version);
    expect(shown(several(6))).toHaveLength(6);
    expect(shown(several(9))).toEqual([
      '1.8.0',
      '1.7.0',
      '1.6.0',
      '1.5.0',
      '1.4.0'
    ]);
    const oldestServes = several(9).map((one, place) =>
      place === 0 ? { ...one, state: 'active' } : one
    );
    expect(shown(oldestServes)).toEqual([
      '1.8.0',
      '1.7.0',
      '1.6.0',
      '1.5.0',
      '1.4.0',
      '1.0.0'
    ]);
  });

  it('tell the faults of callers from ours', () => {
    const both = recent({ error_share: 0.5, failed_share: 0.25 });
    expect(refusedShare(both)).toBe(0.25);
    expect(refusedShare(recent())).toBe(0);
  });

  it('put the title of an error before its sentences where it is translated', () => {
    const german = {
      __: (text: string, ...filled: string[]) =>
        text === title ? 'Das Modell hat versagt' : filled.join(': ')
    } as typeof trans;
    const code = 'model-failed';
    const [title, detail] = ['The model failed', 'The model failed on this.'];
    expect(errorSaid(trans, code, title, detail)).toBe(detail);
    expect(errorSaid(trans, code, title, '')).toBe(title);
    expect(errorSaid(german, code, title, detail)).toBe(
      'Das Modell hat versagt: The model failed on this.'
    );
  });

  it('put what is wrong first, and what is stopped last', () => {
    const names = inOrder([
      endpoint({ name: 'stopped', state: 'stopped', active: null }),
      endpoint({ name: 'well' }),
      endpoint({ name: 'failing', recent: recent({ failed_share: 0.01 }) }),
      endpoint({ name: 'down', state: 'degraded' })
    ]).map(one => one.name);
    expect(names).toEqual(['down', 'failing', 'well', 'stopped']);
  });

  it('say that what serves fails in part', () => {
    const serving = endpoint({ recent: recent({ failed_share: 0.009 }) });
    const failing = endpoint({ recent: recent({ failed_share: 0.01 }) });
    expect(stateWord(trans, seenState(serving))).toBe('serving');
    expect(stateWord(trans, seenState(failing))).toBe('failing in part');
    expect(tone(seenState(failing))).toBe('warn');
  });

  it.each([
    [0.176, '17.6 %'],
    [1, '100 %'],
    [0.0004, '0.04 %']
  ])('give a share of %d as %s', (share, words) => {
    expect(percent(share)).toBe(words);
  });

  it('offer no rollback to a version that failed', () => {
    const one = endpoint({
      active: '1.1.0',
      versions: [
        version({ state: 'failed' }),
        version({ version: '1.1.0', previous: '1.0.0' })
      ]
    });
    expect(rollbackTarget(one)).toBeNull();
  });

  it.each([
    [10, 'just now'],
    [60, '1 min ago'],
    [7200, '2 h ago'],
    [2 * 86400, '2 days ago']
  ])('tell an age of %d s as %s', (seconds, words) => {
    expect(age(trans, 0, seconds)).toBe(words);
  });

  it('give a measured time with its unit', () => {
    expect(measured(0.0421)).toBe('42 ms');
    expect(measured(1.26)).toBe('1.3 s');
    expect(milliseconds(4.21)).toBe('4.2 ms');
    expect(milliseconds(432.1)).toBe('432 ms');
    expect(milliseconds(10234.5)).toBe('10.2 s');
  });
});

describe('codes of the server', () => {
  const shouting = {
    ...trans,
    __: (text: string) => text.toUpperCase()
  } as typeof trans;

  it('are translated where they are known', () => {
    expect(stepWord(shouting, 'package')).toBe('PACKAGE');
    expect(actionWord(shouting, 'rolled-back')).toBe('ROLLED BACK');
    expect(happenedWord(shouting, 'rolled-back')).toBe('ROLLED BACK');
    expect(happenedWord(shouting, 'replica-ended')).toBe('REPLICA ENDED');
    expect(whyWord(shouting, 'first version')).toBe('FIRST VERSION');
    expect(errorTitle(shouting, 'not-found', 'Not found')).toBe('NOT FOUND');
  });

  it('stay in the words of the server where they are not', () => {
    expect(stepWord(shouting, 'weigh')).toBe('weigh');
    expect(actionWord(shouting, 'moved-away')).toBe('moved away');
    expect(happenedWord(shouting, 'sun-has-set')).toBe('sun has set');
    expect(whyWord(shouting, 'age is gone')).toBe('age is gone');
    expect(errorTitle(shouting, 'new-one', 'Too new')).toBe('Too new');
  });
});

describe('snippets', () => {
  const call = {
    url: 'http://127.0.0.1:8900/endpoints/churn/invocations',
    keyFile: "/home/ada's/churn.key",
    example: '{"inputs": ["it\'s"]}'
  };

  it('name the key by its file, quoted for the shell', () => {
    expect(curl(call)).toContain("$(cat '/home/ada'\\''s/churn.key')");
    expect(curl(call)).toContain("-d '{\"inputs\": [\"it'\\''s\"]}'");
  });

  it('are Python where Python is asked for', () => {
    expect(python(call)).toContain('Path("/home/ada\'s/churn.key")');
  });

  it('leave a plain word as it is', () => {
    expect(quoted('http://a/b-c_d.e')).toBe('http://a/b-c_d.e');
    expect(quoted('a b')).toBe("'a b'");
  });
});

describe('traffic', () => {
  const parted = endpoint({
    active: '1.1.0',
    versions: [
      version({ version: '0.9.0', state: 'retired', percent: 0 }),
      version({ version: '1.0.0', state: 'standby', percent: 0 }),
      version({ version: '1.1.0', state: 'active', percent: 95 }),
      version({ version: '1.2.0', state: 'canary', percent: 5 }),
      version({ version: '1.3.0', state: 'shadow', percent: 12.5 })
    ]
  });

  it('goes to the active version first; the one on standby is warm', () => {
    expect(shares(parted).map(one => [one.version, label(trans, one)])).toEqual(
      [
        ['1.1.0', '95 %'],
        ['1.2.0', 'canary 5 %'],
        ['1.3.0', 'shadow 12.5 %'],
        ['1.0.0', 'warm']
      ]
    );
  });

  it('is said in sentences, and what a shadow does is clear', () => {
    expect(shares(parted).map(one => sentence(trans, one))).toEqual([
      '1.1.0 gets 95 % of the requests.',
      '1.2.0 is tried as a canary with 5 % of the requests.',
      '1.3.0 is a shadow: it gets a copy of 12.5 % of the requests, and its answers go nowhere.',
      '1.0.0 is warm, without traffic.'
    ]);
  });
});

describe('a spark line', () => {
  it('goes from the bottom to the top, whatever the greatest value is', () => {
    expect(sparkPoints([0, 5, 10], 80, 18)).toBe('0.0,17.0 40.0,9.0 80.0,1.0');
  });

  it('lies at the bottom while nothing happens', () => {
    expect(sparkPoints([0, 0], 80, 18)).toBe('0.0,17.0 80.0,17.0');
  });
});

describe('news', () => {
  it('tell of a failed version once, with its reason', () => {
    const starting = status(
      endpoint({ versions: [version({ state: 'starting' })] })
    );
    const failed = status(
      endpoint({ versions: [version({ state: 'failed', reason: 'no disk' })] })
    );
    expect(news(starting, failed)).toMatchObject([
      { kind: 'failed', reason: 'no disk' }
    ]);
    expect(news(failed, failed)).toEqual([]);
  });

  it('tell of a version that served and has failed, and which one serves', () => {
    const before = status(
      endpoint({
        active: '1.1.0',
        versions: [
          version({ state: 'standby' }),
          version({ version: '1.1.0', previous: '1.0.0' })
        ]
      })
    );
    const after = status(
      endpoint({
        versions: [version(), version({ version: '1.1.0', state: 'failed' })]
      })
    );
    expect(news(before, after)).toEqual([
      { kind: 'returned', endpoint: 'churn', version: '1.1.0', active: '1.0.0' }
    ]);
    expect(news(after, after)).toEqual([]);
  });

  it('do not call a promotion a deploy', () => {
    const before = status(
      endpoint({ versions: [version({ state: 'standby' })] })
    );
    expect(news(before, status(endpoint()))).toEqual([]);
  });

  it('tell when an endpoint stops answering and when it is back', () => {
    const good = status(endpoint());
    const bad = status(endpoint({ state: 'degraded' }));
    expect(news(good, bad)).toMatchObject([{ kind: 'degraded' }]);
    expect(news(bad, good)).toMatchObject([{ kind: 'recovered' }]);
  });
});

describe('troubles', () => {
  const problem = (code: string) => ({
    type: `https://example.org/errors#${code}`,
    detail: 'No supervisor runs.',
    fix: 'Run `jupyter endpoint start`.'
  });

  it.each([
    [404, { message: 'Not Found' }, 'disabled'],
    [404, null, 'disabled'],
    [403, { message: 'Forbidden' }, 'forbidden'],
    [502, null, 'offline'],
    [424, { message: 'JupyterHub server no longer running' }, 'offline'],
    [503, null, 'offline'],
    [500, null, 'failed'],
    [503, problem('supervisor-unavailable'), 'no-supervisor'],
    [404, problem('not-found'), 'failed'],
    // A page to log in, in place of an answer.
    [200, null, 'forbidden']
  ])('%d with %j is %s', (code, body, kind) => {
    expect(troubleOfAnswer(code, body)?.kind).toBe(kind);
  });

  it('are none where there is an answer', () => {
    expect(troubleOfAnswer(202, { state: 'stopping' })).toBeNull();
  });
});

describe('what a kernel says', () => {
  it('is a list of candidates', () => {
    const data = {
      'application/vnd.jupyter-deploy.models+json': {
        loaded: true,
        candidates: [{ name: 'clf' }]
      }
    };
    expect(read({ status: 'ok', data })).toMatchObject({
      kind: 'ready',
      loaded: true,
      candidates: [{ name: 'clf' }]
    });
  });

  it('is that the package is missing, when it is', () => {
    const answer = { status: 'error', evalue: 'No module named …' };
    expect(read(answer)).toEqual({
      kind: 'not-installed',
      reason: 'No module named …'
    });
  });

  it.each([
    ['clf', 'clf'],
    ['Churn_Model2', 'churn-model2'],
    ['_3d__', 'd'],
    ['__', 'model']
  ])('%s is served as %s', (variable, name) => {
    expect(suggestedName(variable)).toBe(name);
  });

  it('becomes a cell that loads the magic only where it is missing', () => {
    expect(deployCell('clf', 'churn', { loaded: true, stage: true })).toBe(
      '%deploy clf --name churn --stage'
    );
    expect(deployCell('clf', 'churn', { loaded: false, stage: false })).toBe(
      '%load_ext jupyter_deploy\n%deploy clf --name churn'
    );
  });
});
