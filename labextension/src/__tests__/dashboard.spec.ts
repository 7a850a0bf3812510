import { DashboardModel } from '../dashboard/dashboardmodel';
import { figures, IPalette } from '../dashboard/figures';
import { RequestFailed } from '../trouble';
import type { EndpointMetrics, MetricsMark, MetricsSeries } from '../types';
import { promised, trans } from './fixtures';

const PALETTE: IPalette = {
  text: 'text',
  grid: 'grid',
  ground: 'ground',
  font: 'font',
  series: ['one', 'two', 'three'],
  warn: 'warn',
  bad: 'bad',
  calm: 'calm'
};

function series(name: string, requests: number[]): MetricsSeries {
  const none = requests.map(() => 0);
  return {
    name,
    requests,
    errors_4xx: none,
    errors_5xx: none,
    p50_ms: [1, null],
    p95_ms: [2, null],
    p99_ms: [3, null],
    waiting: none,
    replicas: requests.map(() => 2)
  };
}

function mark(of: Partial<MetricsMark>): MetricsMark {
  return { at: 0, kind: 'rollback', version: '', text: '', what: '', ...of };
}

function metrics(of: Partial<EndpointMetrics> = {}): EndpointMetrics {
  return {
    name: 'churn',
    requests: 30,
    errors_4xx: 0,
    errors_5xx: 0,
    rows: 30,
    waiting: 0,
    p50_ms: 1,
    p95_ms: 2,
    p99_ms: 3,
    window_seconds: 600,
    start: 1000,
    step_seconds: 300,
    total: series('', [0.1, 0]),
    versions: [series('1.1.0', [0.05, 0]), series('1.0.0', [0.05, 0])],
    consumers: [],
    marks: [
      mark({ at: 1100, what: 'rolled-back', text: 'to 1.0.0' }),
      mark({ at: 1200, kind: 'failure', text: 'killed' })
    ],
    predictions: [
      {
        version: '1.1.0',
        of: 'classes',
        names: ['no', 'yes'],
        counts: [30, 10],
        baseline: [1, 1]
      }
    ],
    ...of
  };
}

const opened: DashboardModel[] = [];

// A poll that goes on would keep jest from ending.
afterEach(() => opened.splice(0).forEach(one => one.dispose()));

function model(read: () => Promise<EndpointMetrics>, known?: EndpointMetrics) {
  const made = new DashboardModel({
    name: 'churn',
    read,
    hidden: () => false,
    ...(known === undefined ? {} : { known })
  });
  opened.push(made);
  return made;
}

describe('figures', () => {
  it('say in words what they show, with the last known values', () => {
    const all = figures(trans, metrics(), PALETTE);
    expect(all.map(one => one.summary)).toEqual([
      'Requests: all 0/s',
      'Time to answer: p50 1ms, p95 2ms, p99 3ms',
      'Errors: refused (4xx) 0/s, failed (5xx) 0/s',
      'Queue and replicas: waiting 0, replicas 2',
      '1.1.0: classes predicted: no 75.0 %, baseline 50.0 %; yes 25.0 %, baseline 50.0 %'
    ]);
  });

  it('have a line for each version when they are split, and the total where there is none', () => {
    const names = (split: 'versions' | 'consumers') =>
      figures(trans, metrics(), PALETTE, split)[0]?.data.map(
        line => (line as { name: string }).name
      );
    expect(names('versions')).toEqual(['1.1.0', '1.0.0']);
    expect(names('consumers')).toEqual(['all']);
  });

  it('mark what happened, and failures in another colour', () => {
    const layout = figures(trans, metrics(), PALETTE)[0]?.layout as {
      shapes: { line: { color: string } }[];
      annotations: { text: string; hovertext: string }[];
    };
    expect(layout.annotations.map(one => one.hovertext)).toEqual([
      'rolled back: to 1.0.0',
      'killed'
    ]);
    expect(layout.shapes.map(one => one.line.color)).toEqual(['text', 'bad']);
    expect(layout.annotations.map(one => one.text)).toEqual(['◀', '✕']);
  });

  it('keep a zoom while they move, and lose it with another range', () => {
    const revision = (told: EndpointMetrics) =>
      (figures(trans, told, PALETTE)[0]?.layout as { uirevision: string })
        .uirevision;
    expect(revision(metrics({ start: 2000 }))).toBe(revision(metrics()));
    expect(revision(metrics({ window_seconds: 60 }))).not.toBe(
      revision(metrics())
    );
  });
});

describe('the dashboard', () => {
  it('drops an answer for a range that is no longer chosen', async () => {
    const slow = promised<EndpointMetrics>();
    const answers = [slow.promise, Promise.resolve(metrics({ requests: 2 }))];
    const dashboard = model(() => answers.shift() ?? slow.promise);
    const first = dashboard.refresh();
    await dashboard.choose(300);
    slow.resolve(metrics({ requests: 1 }));
    await first;
    expect(dashboard.metrics?.requests).toBe(2);
  });

  it('drops a failure for a range that is no longer chosen', async () => {
    let fail: (why: unknown) => void = () => undefined;
    const slow = new Promise<EndpointMetrics>((_, reject) => {
      fail = reject;
    });
    const answers = [slow, Promise.resolve(metrics())];
    const dashboard = model(() => answers.shift() ?? slow);
    const first = dashboard.refresh();
    await dashboard.choose(300);
    fail(new RequestFailed({ kind: 'offline' }));
    await first.catch(() => undefined);
    expect(dashboard.trouble).toBeNull();
  });

  it('keeps its figures when a look fails, and says why', async () => {
    const failing = model(
      () => Promise.reject(new RequestFailed({ kind: 'offline' })),
      metrics()
    );
    await expect(failing.refresh()).rejects.toThrow();
    expect(failing.trouble).toEqual({ kind: 'offline' });
    expect(failing.metrics?.requests).toBe(30);
  });
});
