/**
 * The deploys that the server does, step by step; one that failed stays until it is dismissed.
 */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { stepWord } from '../codes';
import type { RegistryDeploy, StepStatus } from '../types';
import { measured } from '../words';
import { useUi } from './ui';

export function Deploys(): JSX.Element {
  const { model } = useUi();
  return (
    <>
      {model.deploys.map(one => (
        <Deploy key={one.deploy_id} deploy={one} />
      ))}
    </>
  );
}

function Deploy(props: { deploy: RegistryDeploy }): JSX.Element {
  const { actions, trans } = useUi();
  const { deploy } = props;
  const failed = deploy.state === 'failed';
  return (
    <section
      className="jp-Deploy-deploy"
      data-tone={failed ? 'bad' : 'busy'}
      aria-label={trans.__('Deploy of %1', deploy.name)}
    >
      <h3>
        {failed
          ? trans.__('%1 was not deployed', deploy.name)
          : trans.__('Deploying %1', deploy.name)}
      </h3>
      <p className="jp-Deploy-small">{deploy.uri}</p>
      <ol role="status">
        {deploy.steps.map(one => (
          <li key={one.name} data-state={one.state}>
            <span>{stepWord(trans, one.name)}</span>
            <span>{took(trans, one)}</span>
          </li>
        ))}
      </ol>
      {failed && (
        <p className="jp-Deploy-wrong" role="alert">
          {`${deploy.detail} ${deploy.fix}`.trim()}
        </p>
      )}
      <button
        type="button"
        className="jp-Deploy-button jp-mod-small"
        onClick={() => void actions.endDeploy(deploy)}
      >
        {failed ? trans.__('Dismiss') : trans.__('Cancel')}
      </button>
    </section>
  );
}

/** How long a step took, or how it is. */
function took(trans: TranslationBundle, step: StepStatus): string {
  switch (step.state) {
    case 'done':
      return step.seconds === null ? '' : measured(step.seconds);
    case 'running':
      return trans.__('working…');
    case 'failed':
      return trans.__('failed');
    case 'skipped':
      return trans.__('skipped');
    default:
      return '';
  }
}
