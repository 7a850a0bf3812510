import { DeployChoice } from '../deploychoice';
import type { ICandidate, Look } from '../kernel';
import { DeployModel } from '../model';
import { newsOfDeploys } from '../news';
import { RequestFailed } from '../trouble';
import type { RegistryDeploy, RegistryModel } from '../types';
import { control, endpoint, promised, status } from './fixtures';

const NOWHERE: Look = { kind: 'no-kernel' };
const CHURN: RegistryModel = {
  name: 'Churn_Model',
  versions: [
    { version: '3', created_at: 3, aliases: ['champion'], deployed_as: '' },
    { version: '2', created_at: 2, aliases: [], deployed_as: '1.0.0' }
  ]
};
const EMPTY: RegistryModel = { name: 'empty', versions: [] };

function notebook(...candidates: Partial<ICandidate>[]): Look {
  const whole = candidates.map(one => ({
    name: 'clf',
    kind: 'estimator' as const,
    type: 'LogisticRegression',
    fitted: true,
    columns: null,
    frame: null,
    rows: null,
    ...one
  }));
  const count = whole.length;
  return { kind: 'ready', loaded: true, candidates: whole, count, cut: false };
}

/** A choice, once the registry has been read. */
async function choice(found: Look, models = [EMPTY, CHURN]) {
  const made = new DeployChoice(found, [], async () => models);
  await Promise.resolve();
  return made;
}

describe('what to deploy', () => {
  it('is the first fitted model of the notebook, in a cell', async () => {
    const made = await choice(
      notebook({ name: 'draft', fitted: false }, { name: 'clf' })
    );
    expect(made.source).toBe('notebook');
    expect(made.cell).toBe('%deploy clf --name clf');
  });

  it('is looked for by its name or type among many, and what is seen is chosen', async () => {
    const many = Array.from({ length: 346 }, (_, n) => ({
      name: `model_${n}`
    }));
    const made = await choice(
      notebook(...many, { name: 'score', type: 'function' })
    );
    expect(made.shown).toHaveLength(347);
    made.narrow('Model_34');
    expect(made.shown.map(one => one.name)).toEqual([
      'model_34',
      'model_340',
      'model_341',
      'model_342',
      'model_343',
      'model_344',
      'model_345'
    ]);
    expect(made.cell).toBe('%deploy model_34 --name model-34');
    made.narrow('function');
    expect(made.candidate).toBe('score');
    made.narrow('no such');
    expect(made.wanted).toBeNull();
    made.narrow('');
    expect(made.candidate).toBe('model_0');
  });

  it('may be one that is not listed, and then that is said', async () => {
    const found = notebook({}, { name: 'other' });
    const more = (of: object) => choice({ ...found, ...of } as Look);
    expect((await choice(found)).more).toBe(false);
    expect((await more({ count: 3 })).more).toBe(true);
    expect((await more({ cut: true })).more).toBe(true);
  });

  it('is the newest registered version where the notebook has no model', async () => {
    const made = await choice(notebook());
    expect(made.source).toBe('registry');
    expect(made.cell).toBe('%deploy models:/Churn_Model/3 --name churn-model');
  });

  it('is left to the server where there is no notebook', async () => {
    const made = await choice(NOWHERE);
    made.chooseVersion('2');
    expect(made.cell).toBe('');
    expect(made.wanted).toMatchObject({
      model: 'models:/Churn_Model/2',
      name: 'churn-model'
    });
  });

  it('waits in a cell for a kernel that is at work, which may not know %deploy yet', async () => {
    const made = await choice({ kind: 'busy' });
    expect(made.cell).toContain('%load_ext jupyter_deploy\n%deploy models:/');
  });

  it('is nothing without a name that an endpoint may have, or without a model', async () => {
    const made = await choice(NOWHERE);
    made.chooseName('Not A Name');
    expect(made.wanted).toBeNull();
    expect((await choice(NOWHERE, [EMPTY])).wanted).toBeNull();
  });

  it('keeps the name that was typed, and suggests one until then', async () => {
    const made = await choice(notebook({ name: 'clf' }));
    made.chooseSource('registry');
    await Promise.resolve();
    expect(made.name).toBe('churn-model');
    made.chooseName('mine');
    made.chooseSource('notebook');
    expect(made.name).toBe('mine');
  });

  it('reads the registry when it is looked at, and once', async () => {
    const read = jest.fn(async () => [CHURN]);
    const made = new DeployChoice(notebook({ name: 'clf' }), [], read);
    expect(read).not.toHaveBeenCalled();
    made.chooseSource('registry');
    await Promise.resolve();
    made.chooseSource('notebook');
    made.chooseSource('registry');
    expect(read).toHaveBeenCalledTimes(1);
  });

  it('says why the registry cannot be read, and reads it again when asked', async () => {
    const asked = promised<readonly RegistryModel[]>();
    const answers = [
      Promise.reject(new RequestFailed({ kind: 'offline' })),
      asked.promise
    ];
    const made = new DeployChoice(
      NOWHERE,
      [],
      () => answers.shift() ?? Promise.resolve([])
    );
    await Promise.resolve();
    await Promise.resolve();
    expect(made.registry).toMatchObject({ kind: 'failed' });
    const again = made.readRegistry();
    expect(made.registry).toMatchObject({ kind: 'loading' });
    asked.resolve([CHURN]);
    await again;
    expect(made.uri).toBe('models:/Churn_Model/3');
  });
});

function deploy(of: Partial<RegistryDeploy> = {}): RegistryDeploy {
  return {
    deploy_id: 'd1',
    uri: 'models:/churn/3',
    name: 'churn',
    state: 'running',
    steps: [],
    detail: '',
    fix: '',
    ...of
  };
}

describe('deploys of the server', () => {
  it('are shown while they run and when they failed', async () => {
    const known = [
      deploy(),
      deploy({ deploy_id: 'd2', state: 'failed' }),
      deploy({ deploy_id: 'd3', state: 'done' }),
      deploy({ deploy_id: 'd4', state: 'cancelled' })
    ];
    const model = new DeployModel({
      control: control({
        status: async () => status(endpoint()),
        registryDeploys: async () => known
      })
    });
    await model.refresh();
    expect(model.deploys.map(one => one.deploy_id)).toEqual(['d1', 'd2']);
    model.dispose();
  });

  it('are news once, when the supervisor did not see them fail', () => {
    const step = { name: 'register', seconds: 1, detail: '' };
    const failed = deploy({ state: 'failed', detail: 'No such model.' });
    expect(newsOfDeploys([deploy()], [failed])).toMatchObject([
      { kind: 'failed', endpoint: 'churn', reason: 'No such model.' }
    ]);
    expect(newsOfDeploys([failed], [failed])).toEqual([]);
    const registered = { ...failed, steps: [{ ...step, state: 'done' }] };
    expect(newsOfDeploys([deploy()], [registered])).toEqual([]);
  });
});
