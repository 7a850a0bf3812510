/**
 * Who may call an endpoint: consumers with their keys.
 *
 * A key is shown nowhere: it goes from the server to the clipboard when a person asks for it.
 */
import { checkIcon, copyIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import type { EndpointStatus, KeyStatus } from '../types';
import { unless } from './focus';
import { Ago, Fold, Loaded } from './parts';
import { now, useUi } from './ui';

/** A file of a key that was made here just now, and whom it is for. */
interface IFresh {
  readonly consumer: string;
  readonly file: string;
}

export function Keys(props: { endpoint: EndpointStatus }): JSX.Element {
  const { model, trans } = useUi();
  const { name } = props.endpoint;
  const { keys } = model.detail;
  const [fresh, setFresh] = React.useState<IFresh | null>(null);
  const count = keys.kind === 'ready' ? keys.value.length : undefined;
  return (
    <Fold title={trans.__('Consumers and keys')} count={count} reads="keys">
      <Loaded of={keys}>
        {found => <KeyList endpoint={name} keys={found} onFresh={setFresh} />}
      </Loaded>
      {fresh && <Fresh fresh={fresh} />}
      <NewKey endpoint={name} onFresh={setFresh} />
    </Fold>
  );
}

function KeyList(props: {
  endpoint: string;
  keys: readonly KeyStatus[];
  onFresh: (fresh: IFresh) => void;
}): JSX.Element {
  const { trans } = useUi();
  if (props.keys.length === 0) {
    return (
      <p className="jp-Deploy-hint">
        {trans.__('Nobody has a key yet. Create one for whoever calls this.')}
      </p>
    );
  }
  return (
    <ul className="jp-Deploy-keys">
      {props.keys.map(one => (
        <li key={one.key_id} tabIndex={-1} data-lands="">
          <Key endpoint={props.endpoint} of={one} onFresh={props.onFresh} />
        </li>
      ))}
    </ul>
  );
}

function Key(props: {
  endpoint: string;
  of: KeyStatus;
  onFresh: (fresh: IFresh) => void;
}): JSX.Element {
  const { actions, trans } = useUi();
  const { endpoint, of } = props;
  const rotate = async () => {
    const file = await actions.rotateKey(endpoint, of);
    if (file !== null) {
      props.onFresh({ consumer: of.consumer, file });
    }
  };
  const valid = of.revoked_at === null;
  return (
    <>
      <div className="jp-Deploy-versionHead">
        <span className="jp-Deploy-name">{of.consumer}</span>
        <span className="jp-Deploy-age">{validity(trans, of)}</span>
      </div>
      <div className="jp-Deploy-small">
        {trans.__('key %1', of.key_id)}
        {' · '}
        {of.rate ?? trans.__('no limit')}
        {' · '}
        <Ago at={of.created_at} />
      </div>
      {valid && (
        <div className="jp-Deploy-keyActions">
          <button
            type="button"
            className="jp-Deploy-button jp-mod-small"
            aria-label={trans.__('Rotate the key of %1', of.consumer)}
            onClick={() => void rotate()}
          >
            {trans.__('Rotate…')}
          </button>
          <button
            type="button"
            className="jp-Deploy-button jp-mod-small jp-mod-warn"
            aria-label={trans.__('Revoke the key of %1', of.consumer)}
            onClick={() => void actions.revokeKey(endpoint, of)}
          >
            {trans.__('Revoke…')}
          </button>
        </div>
      )}
    </>
  );
}

function validity(trans: ReturnType<typeof useUi>['trans'], key: KeyStatus) {
  if (key.revoked_at !== null) {
    return trans.__('revoked');
  }
  if (key.expires_at === null) {
    return '';
  }
  const days = Math.ceil((key.expires_at - now()) / 86400);
  return days <= 0
    ? trans.__('expired')
    : trans._n('%1 day left', '%1 days left', days);
}

/** A new key's file, and the button that copies what is in it: once. */
function Fresh(props: { fresh: IFresh }): JSX.Element {
  const { actions, trans } = useUi();
  const { consumer, file } = props.fresh;
  const [copied, setCopied] = React.useState(false);
  React.useEffect(() => setCopied(false), [file]);
  return (
    <div className="jp-Deploy-fresh" role="status">
      <p>
        {trans.__(
          'The new key of %1 is in this file, and nowhere else:',
          consumer
        )}
      </p>
      <code>{file}</code>
      <button
        type="button"
        className="jp-Deploy-button"
        {...unless(copied, () => void actions.copySecret(file).then(setCopied))}
      >
        {copied ? (
          <checkIcon.react tag="span" width="14px" height="14px" />
        ) : (
          <copyIcon.react tag="span" width="14px" height="14px" />
        )}
        {copied ? trans.__('Copied') : trans.__('Copy the key')}
      </button>
    </div>
  );
}

function NewKey(props: {
  endpoint: string;
  onFresh: (fresh: IFresh) => void;
}): JSX.Element {
  const { actions, trans } = useUi();
  const [consumer, setConsumer] = React.useState('');
  const [rate, setRate] = React.useState('');
  const [days, setDays] = React.useState('90');
  const creating = React.useRef(false);
  const create = async () => {
    if (creating.current) {
      return; // who sends the form twice gets one key
    }
    creating.current = true;
    const file = await actions.createKey({
      consumer,
      endpoints: [props.endpoint],
      rate: rate || null,
      expires_seconds: days ? Number(days) * 86400 : null
    });
    creating.current = false;
    if (file !== null) {
      props.onFresh({ consumer, file });
      setConsumer('');
    }
  };
  return (
    <form
      className="jp-Deploy-form"
      aria-label={trans.__('New key')}
      onSubmit={event => {
        event.preventDefault();
        void create();
      }}
    >
      <label>
        <span>{trans.__('Consumer')}</span>
        <input
          className="jp-mod-styled"
          required
          value={consumer}
          placeholder={trans.__('billing')}
          onChange={event => setConsumer(event.target.value)}
        />
      </label>
      <label>
        <span>{trans.__('Rate')}</span>
        <input
          className="jp-mod-styled"
          value={rate}
          placeholder={trans.__('100/minute')}
          pattern="[1-9][0-9]*/(second|minute|hour|day)"
          title={trans.__('A number and a unit: 100/minute. Empty: no limit.')}
          onChange={event => setRate(event.target.value)}
        />
      </label>
      <label>
        <span>{trans.__('Good for (days)')}</span>
        <input
          className="jp-mod-styled"
          type="number"
          min={1}
          value={days}
          title={trans.__('Empty: for ever.')}
          onChange={event => setDays(event.target.value)}
        />
      </label>
      <button type="submit" className="jp-Deploy-button jp-mod-accept">
        {trans.__('Create a key')}
      </button>
    </form>
  );
}
