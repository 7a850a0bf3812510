/**
 * The form of "Deploy…": which model, under which name, and what will do it.
 */
import type { Dialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import * as React from 'react';

import { DeployChoice, IWanted, NAME, Source } from '../deploychoice';
import type { ICandidate } from '../kernel';
import { FromRegistry } from './registryform';

/** So many models are seen at a glance. */
const WITHOUT_A_FILTER = 10;

export class DeployForm
  extends ReactWidget
  implements Dialog.IBodyWidget<IWanted | null>
{
  constructor(
    private readonly _choice: DeployChoice,
    private readonly _trans: TranslationBundle
  ) {
    super();
    this.addClass('jp-DeployForm');
  }

  /** What the person wants; null when the name is not one or there is nothing to deploy. */
  getValue(): IWanted | null {
    return this._choice.wanted;
  }

  render(): JSX.Element {
    return (
      <UseSignal signal={this._choice.changed}>
        {() => <Form choice={this._choice} trans={this._trans} />}
      </UseSignal>
    );
  }
}

export interface IChoiceProps {
  readonly choice: DeployChoice;
  readonly trans: TranslationBundle;
}

function Form(props: IChoiceProps): JSX.Element {
  const { choice, trans } = props;
  return (
    <>
      <Sources {...props} />
      {choice.source === 'notebook' ? (
        <FromNotebook {...props} />
      ) : (
        <FromRegistry {...props} />
      )}
      <Name {...props} />
      <label className="jp-Deploy-check">
        <input
          type="checkbox"
          checked={choice.stage}
          onChange={event => choice.chooseStage(event.target.checked)}
        />
        <span>
          {trans.__('Keep it warm without traffic; promote it later.')}
        </span>
      </label>
      <What {...props} />
    </>
  );
}

function Sources(props: IChoiceProps): JSX.Element {
  const { choice, trans } = props;
  const sources: readonly { value: Source; name: string }[] = [
    { value: 'notebook', name: trans.__('From the notebook') },
    { value: 'registry', name: trans.__('From the MLflow registry') }
  ];
  return (
    <div
      className="jp-Deploy-choice"
      role="group"
      aria-label={trans.__('Where the model is')}
    >
      {sources.map(one => (
        <button
          key={one.value}
          type="button"
          aria-pressed={one.value === choice.source}
          onClick={() => choice.chooseSource(one.value)}
        >
          {one.name}
        </button>
      ))}
    </div>
  );
}

function FromNotebook(props: IChoiceProps): JSX.Element {
  const { choice, trans } = props;
  if (choice.candidates.length === 0) {
    return <p>{whyNothing(trans, choice)}</p>;
  }
  return (
    <fieldset>
      <legend>{trans.__('Model')}</legend>
      {choice.candidates.length > WITHOUT_A_FILTER && <Filter {...props} />}
      <p className="jp-Deploy-small" role="status">
        {howMany(trans, choice)}
      </p>
      <div className="jp-Deploy-candidates">
        {choice.shown.map(one => (
          <label key={one.name} className="jp-Deploy-candidate">
            <input
              type="radio"
              name="model"
              checked={one.name === choice.candidate}
              disabled={one.fitted === false}
              onChange={() => choice.chooseCandidate(one.name)}
            />
            <code>{one.name}</code>
            <span>{one.type}</span>
            <small>{contract(trans, one)}</small>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

function Filter(props: IChoiceProps): JSX.Element {
  const { choice, trans } = props;
  return (
    <input
      type="search"
      className="jp-mod-styled jp-Deploy-filter"
      placeholder={trans.__('Filter by name or type')}
      aria-label={trans.__('Filter by name or type')}
      value={choice.filter}
      onChange={event => choice.narrow(event.target.value)}
    />
  );
}

function Name(props: IChoiceProps): JSX.Element {
  const { choice, trans } = props;
  return (
    <label>
      <span>{trans.__('Endpoint')}</span>
      <input
        className="jp-mod-styled"
        list="jp-Deploy-names"
        required
        pattern={NAME}
        title={trans.__('Lower-case letters, digits and dashes.')}
        value={choice.name}
        onChange={event => choice.chooseName(event.target.value)}
      />
      <datalist id="jp-Deploy-names">
        {choice.names.map(name => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </label>
  );
}

/** The cell that it becomes, or that the server does it; and whether it can be done. */
function What(props: IChoiceProps): JSX.Element {
  const { choice, trans } = props;
  const { cell, wanted } = choice;
  const node = React.useRef<HTMLDivElement>(null);
  const ready = wanted !== null;
  React.useEffect(() => {
    // The dialog looks for what is marked as wrong whenever something is put in.
    node.current?.dispatchEvent(new Event('input', { bubbles: true }));
  }, [ready]);
  return (
    <div ref={node} className={ready ? '' : 'jp-mod-error'}>
      {cell && <pre aria-label={trans.__('The cell')}>{cell}</pre>}
      {ready && !cell && (
        <p className="jp-Deploy-small">
          {trans.__(
            'The server deploys it with its own Python: no notebook with a Python kernel is open.'
          )}
        </p>
      )}
    </div>
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

/** How many of the kernel's models are shown; empty when all are. */
function howMany(trans: TranslationBundle, choice: DeployChoice): string {
  const { shown, count, more } = choice;
  const some =
    shown.length < count
      ? trans.__('%1 of %2 shown.', shown.length, count)
      : '';
  const others = more
    ? trans.__('The kernel may hold more: deploy those with %deploy in a cell.')
    : '';
  return `${some} ${others}`.trim();
}

function whyNothing(trans: TranslationBundle, choice: DeployChoice): string {
  const { found } = choice;
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
