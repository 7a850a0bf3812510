/**
 * The part of "Deploy…" that chooses a version of a registered model.
 */
import type { TranslationBundle } from '@jupyterlab/translation';
import { HTMLSelect } from '@jupyterlab/ui-components';
import * as React from 'react';

import type { DeployChoice } from '../deploychoice';
import type { RegistryVersion } from '../types';
import { age } from '../words';
import { inWords } from '../trouble';
import { now } from './ui';

export function FromRegistry(props: {
  readonly choice: DeployChoice;
  readonly trans: TranslationBundle;
}): JSX.Element {
  const { choice, trans } = props;
  const { registry } = choice;
  switch (registry.kind) {
    case 'idle':
    case 'loading':
      return <p role="status">{trans.__('Reading the registry…')}</p>;
    case 'failed':
      return (
        <>
          <p role="alert">{inWords(trans, registry.trouble).text}</p>
          <button
            type="button"
            className="jp-Deploy-button"
            onClick={() => void choice.readRegistry()}
          >
            {trans.__('Look again')}
          </button>
        </>
      );
    case 'ready':
      break;
  }
  const models = registry.value.filter(one => one.versions.length > 0);
  if (models.length === 0) {
    return (
      <p>
        {trans.__(
          'No model is registered yet. What is deployed from a notebook is registered on the way.'
        )}
      </p>
    );
  }
  return (
    <>
      <label>
        <span>{trans.__('Model')}</span>
        <HTMLSelect
          aria-label={trans.__('Model')}
          value={choice.registered?.name ?? ''}
          onChange={event => choice.chooseRegistered(event.target.value)}
          options={models.map(one => one.name)}
        />
      </label>
      <label>
        <span>{trans.__('Version')}</span>
        <HTMLSelect
          aria-label={trans.__('Version')}
          value={choice.version?.version ?? ''}
          onChange={event => choice.chooseVersion(event.target.value)}
          options={(choice.registered?.versions ?? []).map(one => ({
            value: one.version,
            label: described(trans, one)
          }))}
        />
      </label>
    </>
  );
}

function described(trans: TranslationBundle, one: RegistryVersion): string {
  const facts = [
    trans.__('version %1', one.version),
    ...one.aliases.map(alias => `@${alias}`),
    one.deployed_as && trans.__('deployed as %1', one.deployed_as),
    age(trans, one.created_at, now())
  ];
  return facts.filter(Boolean).join(' · ');
}
