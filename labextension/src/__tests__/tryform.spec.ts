import {
  body,
  errorsOf,
  fields,
  initial,
  valueOf,
  verdict,
  WHOLE
} from '../tryform';
import type { Column, Contract, TryAnswer, TryForm } from '../types';
import { trans } from './fixtures';

function column(of: Partial<Column>): Column {
  return {
    name: 'age',
    type: 'integer',
    dtype: 'int64',
    nullable: false,
    minimum: 0,
    maximum: 72,
    categories: null,
    closed: false,
    levels: null,
    ordered: false,
    missing: 'nan',
    integer_name: false,
    ...of
  };
}

function contract(of: Partial<Contract>): Contract {
  const output = {} as Contract['output'];
  return {
    form: 'frame',
    columns: [],
    tensor: null,
    output,
    strict: false,
    ...of
  };
}

const PLAN = column({
  name: 'plan',
  type: 'string',
  minimum: null,
  maximum: null,
  categories: ['basic', 'pro'],
  closed: true
});
const SINCE = column({ name: 'since', type: 'datetime', nullable: true });
const PAID = column({ name: 'paid', type: 'boolean' });
const FRAME = contract({ columns: [column({}), PLAN, SINCE, PAID] });

function form(of: Contract, example: string | null): TryForm {
  return { name: 'churn', version: '1.0.0', contract: of, example };
}

function answer(of: Partial<TryAnswer>): TryAnswer {
  return {
    status: 200,
    body: {},
    version: '1.0.0',
    request_id: 'r1',
    seconds: 0.01,
    timing: {},
    ...of
  };
}

describe('the form of "Try it"', () => {
  it('has a field for each column, with what is known of it', () => {
    const [age, plan, since, paid] = fields(FRAME);
    expect(age).toMatchObject({ kind: 'number', range: '0 … 72' });
    expect(plan).toMatchObject({ kind: 'choice', closed: true });
    expect(since).toMatchObject({ kind: 'text', nullable: true });
    expect(paid).toMatchObject({ choices: ['true', 'false'], closed: true });
  });

  it('is filled with the row of the sample', () => {
    const example = JSON.stringify({
      dataframe_split: {
        columns: ['plan', 'age', 'since', 'paid'],
        data: [['pro', 7, null, true]]
      }
    });
    expect(initial(form(FRAME, example))).toEqual({
      age: '7',
      plan: 'pro',
      since: '',
      paid: 'true'
    });
    expect(initial(form(FRAME, null))['age']).toBe('');
  });

  it('sends values of the types of the contract', () => {
    const values = { age: '7', plan: 'pro', since: '', paid: 'false' };
    expect(body(FRAME, values)).toEqual({
      dataframe_split: {
        columns: ['age', 'plan', 'since', 'paid'],
        data: [[7, 'pro', null, false]]
      }
    });
  });

  it('sends a text that is no number as it is, for the endpoint to refuse', () => {
    const [age] = fields(FRAME);
    expect(age && valueOf(age, 'seven')).toBe('seven');
  });

  it('has one field of JSON for an array', () => {
    const tensor = {
      type: 'float',
      dtype: 'float64',
      shape: [2],
      nullable: false,
      container: 'array'
    } as const;
    const array = contract({ form: 'array', tensor });
    const filled = initial(form(array, '{"inputs": [[1, 2]]}'));
    expect(filled).toEqual({ inputs: '[[1,2]]' });
    expect(body(array, filled)).toEqual({ inputs: [[1, 2]] });
  });

  it('shows what is wrong at its field', () => {
    const refused = answer({
      status: 400,
      body: {
        detail: '1 value does not fit.',
        errors: [
          {
            column: 'age',
            expected: 'integer',
            got: 'string',
            message: "row 0, column 'age': expected integer, got string"
          },
          { message: 'the input: expected one row, got none' }
        ]
      }
    });
    expect(errorsOf(trans, refused)).toEqual({
      age: 'Expected integer, got string.',
      [WHOLE]: 'the input: expected one row, got none'
    });
    expect(verdict(trans, refused)).toEqual({
      sentence: 'Refused with 400: 1 value does not fit.',
      more: null
    });
    expect(errorsOf(trans, answer({}))).toEqual({});
  });

  it.each([
    ['model-failed', 500, 'The model failed', 'errors'],
    ['poisonous-request', 500, 'These values have ended', 'logs'],
    ['no-replica', 503, 'No process of the model', 'logs'],
    ['overloaded', 503, 'Too many requests are waiting (503).', null],
    ['gateway-failed', 500, 'The endpoint failed', 'logs']
  ])('says of %s that the fault is ours', (code, status, words, more) => {
    const failed = answer({
      status,
      body: { type: `https://x/errors#${code}` }
    });
    const said = verdict(trans, failed);
    expect(said.sentence).toContain(words);
    expect(said.sentence).not.toContain('Refused');
    expect(said.more).toBe(more);
  });
});
