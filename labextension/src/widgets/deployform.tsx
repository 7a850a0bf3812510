/**
 * The form of "Deploy…": which model, under which name, and the cell that it becomes.
 */
import type { Dialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';

import { deployCell, ICandidate, Look, suggestedName } from '../kernel';

const NAME = '[a-z]([a-z0-9\\-]{0,61}[a-z0-9])?';

/** What the person wants. */
export interface IWanted {
  readonly model: string;
  readonly name: string;
  readonly stage: boolean;
}

export class DeployForm
  extends ReactWidget
  implements Dialog.IBodyWidget<IWanted | null>
{
  constructor(
    private readonly _found: Look,
    private readonly _names: readonly string[],
    private readonly _trans: TranslationBundle
  ) {
    super();
    this.addClass('jp-DeployForm');
    const first = ready(_found).find(one => one.fitted !== false);
    this._wanted = first
      ? { model: first.name, name: suggestedName(first.name), stage: false }
      : null;
  }

  /** What the person wants; null when the name is not one or there is nothing to deploy. */
  getValue(): IWanted | null {
    const wanted = this._wanted;
    const valid = wanted && new RegExp(`^${NAME}$`).test(wanted.name);
    return valid ? wanted : null;
  }

  render(): JSX.Element {
    const candidates = ready(this._found);
    if (this._found.kind !== 'ready' || candidates.length === 0) {
      return <p>{whyNothing(this._trans, this._found)}</p>;
    }
    return (
      <Form
        candidates={candidates}
        loaded={this._found.loaded}
        names={this._names}
        wanted={this._wanted}
        onChange={wanted => {
          this._wanted = wanted;
          this.update();
        }}
        trans={this._trans}
      />
    );
  }

  private _wanted: IWanted | null;
}

interface IFormProps {
  readonly candidates: readonly ICandidate[];
  readonly loaded: boolean;
  readonly names: readonly string[];
  readonly wanted: IWanted | null;
  readonly onChange: (wanted: IWanted) => void;
  readonly trans: TranslationBundle;
}

function Form(props: IFormProps): JSX.Element {
  const { candidates, names, trans, onChange } = props;
  const wanted = props.wanted ?? { model: '', name: '', stage: false };
  return (
    <>
      <fieldset>
        <legend>{trans.__('Model')}</legend>
        {candidates.map(one => (
          <label key={one.name} className="jp-Deploy-candidate">
            <input
              type="radio"
              name="model"
              checked={one.name === wanted.model}
              disabled={one.fitted === false}
              onChange={() =>
                onChange({
                  ...wanted,
                  model: one.name,
                  name: wanted.name || suggestedName(one.name)
                })
              }
            />
            <code>{one.name}</code>
            <span>{one.type}</span>
            <small>{contract(trans, one)}</small>
          </label>
        ))}
      </fieldset>
      <label>
        <span>{trans.__('Endpoint')}</span>
        <input
          className="jp-mod-styled"
          list="jp-Deploy-names"
          required
          pattern={NAME}
          title={trans.__('Lower-case letters, digits and dashes.')}
          value={wanted.name}
          onChange={event => onChange({ ...wanted, name: event.target.value })}
        />
        <datalist id="jp-Deploy-names">
          {names.map(name => (
            <option key={name} value={name} />
          ))}
        </datalist>
      </label>
      <label className="jp-Deploy-check">
        <input
          type="checkbox"
          checked={wanted.stage}
          onChange={event =>
            onChange({ ...wanted, stage: event.target.checked })
          }
        />
        <span>
          {trans.__('Keep it warm without traffic; promote it later.')}
        </span>
      </label>
      {wanted.model && (
        <pre aria-label={trans.__('The cell')}>
          {deployCell(wanted.model, wanted.name, {
            loaded: props.loaded,
            stage: wanted.stage
          })}
        </pre>
      )}
    </>
  );
}

function contract(trans: TranslationBundle, one: ICandidate): string {
  if (one.fitted === false) {
    return trans.__('not fitted yet');
  }
  if (one.frame !== null) {
    return trans.__('contract from %1, %2 rows', one.frame, one.rows ?? 0);
  }
  if (one.columns !== null) {
    return trans.__('no frame here has its %1 columns', one.columns);
  }
  return '';
}

function ready(found: Look): readonly ICandidate[] {
  return found.kind === 'ready' ? found.candidates : [];
}

function whyNothing(trans: TranslationBundle, found: Look): string {
  switch (found.kind) {
    case 'no-kernel':
      return trans.__(
        'Open a notebook with a running kernel, and fit a model in it.'
      );
    case 'not-python':
      return trans.__(
        'The kernel of this notebook speaks %1. Deploy from a Python notebook.',
        found.language
      );
    case 'busy':
      return trans.__(
        'The kernel is at work. Try again when its cell has ended.'
      );
    case 'not-installed':
      return trans.__(
        'jupyter_deploy is not installed in the environment of this kernel. %1',
        found.reason
      );
    case 'ready':
      return trans.__(
        'There is no model in this notebook yet. Fit an estimator or define a function, then come back.'
      );
  }
}
