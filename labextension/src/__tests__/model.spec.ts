import { DeployModel } from '../model';
import type { News } from '../news';
import { RequestFailed } from '../trouble';
import type { KeyStatus, Status } from '../types';
import { control, endpoint, promised, status, version } from './fixtures';

const LOST = new RequestFailed({ kind: 'offline' });

describe('the model', () => {
  it('shows what is wrong first, then goes by name', async () => {
    const model = new DeployModel({
      control: control({
        status: async () =>
          status(
            endpoint({ name: 'b' }),
            endpoint({ name: 'stopped', state: 'stopped', active: null }),
            endpoint({ name: 'z', state: 'degraded' }),
            endpoint({ name: 'a' })
          )
      })
    });
    await model.refresh();
    expect(model.endpoints.map(one => one.name)).toEqual([
      'z',
      'a',
      'b',
      'stopped'
    ]);
  });

  it('keeps what it knew when the connection is lost, and says so', async () => {
    let answer: () => Promise<Status> = async () => status(endpoint());
    const model = new DeployModel({
      control: control({ status: () => answer() })
    });
    await model.refresh();
    answer = () => Promise.reject(LOST);
    await model.refresh();
    expect(model.view).toMatchObject({
      kind: 'failed',
      trouble: { kind: 'offline' }
    });
    expect(model.endpoints).toHaveLength(1);
  });

  it('asks as often when the server is away, so that it is back at once', async () => {
    jest.useFakeTimers();
    let asked = 0;
    const model = new DeployModel({
      interval: 1000,
      control: control({
        status: () => {
          asked += 1;
          return Promise.reject(LOST);
        }
      })
    });
    const watching = model.watch();
    await jest.advanceTimersByTimeAsync(20_000);
    watching.dispose();
    model.dispose();
    jest.useRealTimers();
    expect(asked).toBeGreaterThanOrEqual(20);
  });

  it('has the registry looked at when a person asks, and shows what is known where that is refused', async () => {
    const asked: string[] = [];
    const model = new DeployModel({
      control: control({
        lookAtRegistry: () => {
          asked.push('registry');
          return Promise.reject(LOST);
        },
        status: async () => status(endpoint())
      })
    });
    await model.lookAgain();
    expect(asked).toEqual(['registry']);
    expect(model.endpoints).toHaveLength(1);
  });

  it('refuses a server that speaks another API', async () => {
    const model = new DeployModel({
      control: control({
        about: async () => ({ version: '9', api: 2, python: '', root: '' }),
        status: () => Promise.reject(new Error('asked all the same'))
      })
    });
    await model.refresh();
    expect(model.view).toMatchObject({
      trouble: { kind: 'mismatch', server: '9' }
    });
  });

  it('compares versions again after the server was away', async () => {
    const asked: string[] = [];
    let answer: () => Promise<Status> = () => Promise.reject(LOST);
    const model = new DeployModel({
      control: control({
        about: async () => {
          asked.push('about');
          return { version: '0.1.0', api: 1, python: '', root: '' };
        },
        status: () => answer()
      })
    });
    await model.refresh();
    answer = async () => status();
    await model.refresh();
    await model.refresh();
    expect(asked).toEqual(['about', 'about']);
  });

  it('makes one more look out of all that are asked for during one', async () => {
    const first = promised<Status>();
    const answers = [first.promise];
    let looks = 0;
    const model = new DeployModel({
      control: control({
        status: () => {
          looks += 1;
          return answers.shift() ?? Promise.resolve(status());
        }
      })
    });
    const looking = model.refresh();
    model.noticed();
    model.noticed();
    model.noticed();
    first.resolve(status());
    await looking;
    expect(looks).toBe(2);
  });

  it('asks nothing while the page is hidden, and looks when it is seen again', async () => {
    let looks = 0;
    let hidden = true;
    const model = new DeployModel({
      control: control({
        status: async () => {
          looks += 1;
          return status();
        }
      }),
      hidden: () => hidden
    });
    model.noticed();
    expect(looks).toBe(0);
    hidden = false;
    model.awake();
    await model.refresh();
    expect(looks).toBeGreaterThan(0);
  });

  it('tells of a deploy that finished, but not of what was there before', async () => {
    const told: News[] = [];
    const looks = [
      status(endpoint()),
      status(
        endpoint({
          versions: [
            version({ state: 'standby' }),
            version({ version: '1.1.0' })
          ]
        })
      )
    ];
    const model = new DeployModel({
      control: control({ status: async () => looks.shift() ?? status() })
    });
    model.told.connect((_, news) => told.push(...news));
    await model.refresh();
    expect(told).toEqual([]);
    await model.refresh();
    expect(told).toMatchObject([{ kind: 'deployed', version: '1.1.0' }]);
  });

  it('drops the answer of a page that was left meanwhile', async () => {
    const late = promised<readonly KeyStatus[]>();
    const model = new DeployModel({
      control: control({ keys: () => late.promise })
    });
    model.open('churn');
    const reading = model.unfold('keys');
    model.open('other');
    late.resolve([]);
    await reading;
    expect(model.detail.keys).toEqual({ kind: 'idle' });
  });

  it('shows the log that was asked for last, and none while it is read', async () => {
    const slow = promised<readonly string[]>();
    const model = new DeployModel({
      control: control({
        logs: (_, version) =>
          version === '1.0.0' ? slow.promise : Promise.resolve(['new'])
      })
    });
    model.open('churn');
    await model.showLog('1.1.0');
    const first = model.showLog('1.0.0');
    expect(model.detail.logs.kind).toBe('loading');
    await model.showLog('1.1.0');
    slow.resolve(['old']);
    await first;
    expect(model.detail.logs).toEqual({ kind: 'ready', value: ['new'] });
  });

  it('drops what it was told before of a section that was read again', async () => {
    const slow = promised<readonly KeyStatus[]>();
    const answers = [slow.promise, Promise.reject(LOST)];
    const model = new DeployModel({
      control: control({ keys: () => answers.shift() ?? slow.promise })
    });
    model.open('churn');
    const first = model.unfold('keys');
    await model.unfold('keys');
    slow.resolve([]);
    await first;
    expect(model.detail.keys.kind).toBe('failed');
  });

  it('reads an open section again when something changes', async () => {
    let reads = 0;
    const model = new DeployModel({
      control: control({
        status: async () => status(endpoint()),
        audit: async () => {
          reads += 1;
          return [];
        }
      })
    });
    model.open('churn');
    await model.unfold('audit');
    await model.refresh();
    model.fold('audit');
    await model.refresh();
    expect(reads).toBe(2);
  });

  it('finds a notebook below the root of the server, and no other', async () => {
    const model = new DeployModel({
      control: control({ status: async () => status() })
    });
    await model.refresh();
    expect(model.below('/home/ada/work/a/churn.ipynb')).toBe('a/churn.ipynb');
    expect(model.below('/home/ada/workshop/churn.ipynb')).toBeNull();
  });

  it('is busy while a change is under way, also when it fails', async () => {
    const model = new DeployModel({
      control: control({ status: async () => status(endpoint()) })
    });
    const work = model.change('churn', () => Promise.reject(LOST));
    expect(model.isBusy('churn')).toBe(true);
    await expect(work).rejects.toBe(LOST);
    expect(model.isBusy('churn')).toBe(false);
  });
});
