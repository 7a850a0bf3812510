/**
 * The form of "Try it": its fields, the body that they make, and where an answer's errors belong.
 *
 * Pure.  Rule: a value is sent as the contract has it where the text can be read so, else as the
 * text itself, so that what is refused is refused by the endpoint and in its own words.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import { codeOf, errorTitle } from './codes';
import type { Column, Contract, TryAnswer, TryForm } from './types';

export interface IField {
  readonly name: string;
  readonly kind: 'text' | 'number' | 'choice' | 'json';
  /** What may be chosen; others may be typed where the model takes them. */
  readonly choices: readonly string[];
  readonly closed: boolean;
  readonly nullable: boolean;
  readonly type: Column['type'];
  /** The range seen, "0 … 72"; empty when none is known. */
  readonly range: string;
}

/** The whole input, where it has no columns. */
export const WHOLE = 'inputs';

export type Values = Readonly<Record<string, string>>;

export function fields(contract: Contract): readonly IField[] {
  if (contract.form !== 'frame') {
    return [
      {
        name: WHOLE,
        kind: 'json',
        choices: [],
        closed: false,
        nullable: false,
        type: contract.tensor?.type ?? 'object',
        range: ''
      }
    ];
  }
  return contract.columns.map(fieldOf);
}

function fieldOf(column: Column): IField {
  const choices =
    column.type === 'boolean' ? ['true', 'false'] : (column.categories ?? []);
  const numeric = column.type === 'integer' || column.type === 'float';
  return {
    name: column.name,
    kind: kindOf(column, choices),
    choices,
    closed: column.closed || column.type === 'boolean',
    nullable: column.nullable,
    type: column.type,
    range:
      numeric && column.minimum !== null && column.maximum !== null
        ? `${short(column.minimum)} … ${short(column.maximum)}`
        : ''
  };
}

function kindOf(column: Column, choices: readonly string[]): IField['kind'] {
  if (choices.length > 0) {
    return 'choice';
  }
  if (column.type === 'object') {
    return 'json';
  }
  return column.type === 'integer' || column.type === 'float'
    ? 'number'
    : 'text';
}

/** The values of a row of the sample, as texts; empty texts where there is no sample. */
export function initial(form: TryForm): Values {
  const row = exampleRow(form.example);
  const values: Record<string, string> = {};
  for (const { name } of fields(form.contract)) {
    const found =
      name === WHOLE && row === null ? whole(form.example) : row?.[name];
    values[name] = found === undefined ? '' : asText(found);
  }
  return values;
}

/** The body of the request that the values make. */
export function body(contract: Contract, values: Values): object {
  const all = fields(contract);
  const first = all[0];
  if (contract.form !== 'frame' && first) {
    return { inputs: valueOf(first, values[WHOLE] ?? '') };
  }
  return {
    dataframe_split: {
      columns: all.map(one => one.name),
      data: [all.map(one => valueOf(one, values[one.name] ?? ''))]
    }
  };
}

/** A field's text as the contract's type, where it can be read so. */
export function valueOf(field: IField, text: string): unknown {
  if (text === '') {
    // A missing value; where none may be, the endpoint says so at this field.
    return field.type === 'string' && !field.nullable ? '' : null;
  }
  switch (field.type) {
    case 'integer':
    case 'float': {
      if (field.kind === 'json') {
        return parsed(text);
      }
      const number = Number(text);
      return Number.isFinite(number) && text.trim() !== '' ? number : text;
    }
    case 'boolean':
      return text === 'true' || text === 'false' ? text === 'true' : text;
    case 'object':
      return parsed(text);
    case 'datetime':
    case 'string':
      return field.kind === 'json' ? parsed(text) : text;
  }
}

/** What an answer that is no prediction means, in a sentence. */
export interface IVerdict {
  readonly sentence: string;
  /** The section of the page that says more; none where the request itself was at fault. */
  readonly more: 'errors' | 'logs' | null;
}

/** A refusal says what is wrong with the request; a failure that it is ours, and what to do. */
export function verdict(trans: TranslationBundle, answer: TryAnswer): IVerdict {
  const { status, body } = answer;
  const code = codeOf(body['type']);
  const detail = typeof body['detail'] === 'string' ? body['detail'] : '';
  if (status < 500) {
    const why = detail || errorTitle(trans, code, '');
    return {
      sentence: trans.__('Refused with %1: %2', status, why),
      more: null
    };
  }
  switch (code) {
    case 'model-failed':
      return {
        sentence: trans.__(
          'The model failed on these values (%1): they fit the contract, and its code raised an error.',
          status
        ),
        more: 'errors'
      };
    case 'poisonous-request':
      return {
        sentence: trans.__(
          "These values have ended two of the model's processes (%1): they are not tried again for a while. Its log may say why.",
          status
        ),
        more: 'logs'
      };
    case 'deadline-exceeded':
      return {
        sentence: trans.__(
          'The model took too long (%1). Its log may say why; a longer time can be given when it is deployed.',
          status
        ),
        more: 'logs'
      };
    case 'no-replica':
      return {
        sentence: trans.__(
          'No process of the model is ready (%1). It is started again by itself: try again in a moment, or read its log.',
          status
        ),
        more: 'logs'
      };
    case 'overloaded':
    case 'short-of-memory':
      return {
        sentence: trans.__(
          '%1 (%2). Try again in a moment.',
          errorTitle(trans, code, code),
          status
        ),
        more: null
      };
    default:
      return {
        sentence: trans
          .__(
            'The endpoint failed (%1): the fault is not in these values. %2',
            status,
            detail
          )
          .trim(),
        more: 'logs'
      };
  }
}

/** What is wrong, at the fields where it is: there, nobody needs to be told row and column. */
export function errorsOf(trans: TranslationBundle, answer: TryAnswer): Values {
  const at: Record<string, string> = {};
  const entries = Array.isArray(answer.body['errors'])
    ? (answer.body['errors'] as Record<string, unknown>[])
    : [];
  for (const one of entries) {
    const { column, expected, got, message } = one;
    const place = typeof column === 'string' ? column : WHOLE;
    if (typeof expected === 'string' && typeof got === 'string') {
      at[place] ??= trans.__('Expected %1, got %2.', expected, got);
    } else if (typeof message === 'string') {
      at[place] ??= message;
    }
  }
  return at;
}

function exampleRow(example: string | null): Record<string, unknown> | null {
  const split = (parsed(example ?? '') as Record<string, unknown> | null)?.[
    'dataframe_split'
  ] as { columns?: string[]; data?: unknown[][] } | undefined;
  const row = split?.data?.[0];
  if (!split?.columns || !row) {
    return null;
  }
  return Object.fromEntries(split.columns.map((name, i) => [name, row[i]]));
}

function whole(example: string | null): unknown {
  const found = parsed(example ?? '');
  return typeof found === 'object' && found !== null
    ? Object.values(found)[0]
    : undefined;
}

function asText(value: unknown): string {
  if (value === null) {
    return '';
  }
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function short(value: number): string {
  return String(Number(value.toPrecision(4)));
}
