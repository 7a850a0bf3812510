/**
 * "Try it": a row of the sample in a form, sent through the server, and the answer.
 */
import * as React from 'react';

import { typeWord } from '../codes';
import {
  body,
  errorsOf,
  fields,
  IField,
  initial,
  Values,
  verdict
} from '../tryform';
import type { EndpointStatus, TryAnswer, TryForm } from '../types';
import { measured } from '../words';
import { Fold, goTo, Loaded } from './parts';
import { useUi } from './ui';

export function TryIt(props: { endpoint: EndpointStatus }): JSX.Element | null {
  const { model, trans } = useUi();
  const { active } = props.endpoint;
  const { form } = model.detail;
  if (active === null) {
    return null;
  }
  // The form of the version before is not filled in for nothing.
  const old = form.kind === 'ready' && form.value.version !== active;
  return (
    <Fold title={trans.__('Try it')} reads="form">
      <Loaded of={old ? { kind: 'loading' } : form}>
        {found => <Trial key={found.version} form={found} />}
      </Loaded>
    </Fold>
  );
}

function Trial(props: { form: TryForm }): JSX.Element {
  const { actions, trans } = useUi();
  const { form } = props;
  const [values, setValues] = React.useState<Values>(() => initial(form));
  const [answer, setAnswer] = React.useState<TryAnswer | null>(null);
  const [busy, setBusy] = React.useState(false);
  const errors = answer ? errorsOf(trans, answer) : {};
  const send = async () => {
    setBusy(true);
    setAnswer(await actions.tryIt(form.name, body(form.contract, values)));
    setBusy(false);
  };
  return (
    <form
      className="jp-Deploy-try"
      aria-label={trans.__('Try %1', form.name)}
      noValidate
      onSubmit={event => {
        event.preventDefault();
        if (!busy) {
          void send();
        }
      }}
    >
      {fields(form.contract).map(one => (
        <Field
          key={one.name}
          field={one}
          value={values[one.name] ?? ''}
          error={errors[one.name] ?? ''}
          onChange={value => setValues({ ...values, [one.name]: value })}
        />
      ))}
      <div className="jp-Deploy-actions">
        <button
          type="submit"
          className="jp-Deploy-button jp-mod-accept"
          aria-disabled={busy}
        >
          {trans.__('Send')}
        </button>
        <button
          type="button"
          className="jp-Deploy-button"
          onClick={() => {
            setValues(initial(form));
            setAnswer(null);
          }}
        >
          {trans.__('Row of the sample')}
        </button>
      </div>
      <div role="status">
        {busy && <p className="jp-Deploy-hint">{trans.__('Asking…')}</p>}
        {answer && !busy && <Answer answer={answer} />}
      </div>
    </form>
  );
}

type IInput = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

function Field(props: {
  field: IField;
  value: string;
  error: string;
  onChange: (value: string) => void;
}): JSX.Element {
  const { trans } = useUi();
  const { field, value, error } = props;
  const id = React.useId();
  const shared = {
    id,
    value,
    className: 'jp-mod-styled',
    'aria-invalid': error !== '',
    'aria-describedby': `${id}-said`,
    onChange: (event: React.ChangeEvent<IInput>) =>
      props.onChange(event.target.value)
  };
  const optional = field.nullable ? trans.__('may be empty') : '';
  const said = [typeWord(trans, field.type), field.range, optional]
    .filter(Boolean)
    .join(' · ');
  return (
    <div className="jp-Deploy-field">
      <label htmlFor={id}>{field.name}</label>
      <Input field={field} shared={shared} />
      <span id={`${id}-said`} className="jp-Deploy-small">
        {error ? <span className="jp-Deploy-wrong">{error}</span> : said}
      </span>
    </div>
  );
}

function Input(props: {
  field: IField;
  shared: {
    id: string;
    value: string;
    className: string;
    onChange: (event: React.ChangeEvent<IInput>) => void;
  };
}): JSX.Element {
  const { field, shared } = props;
  if (field.kind === 'json') {
    return <textarea {...shared} rows={4} spellCheck={false} />;
  }
  if (field.kind === 'choice' && field.closed) {
    const known = field.choices.includes(shared.value);
    return (
      <select {...shared}>
        {(field.nullable || !known) && (
          <option value={known ? '' : shared.value}>
            {known ? '' : shared.value}
          </option>
        )}
        {field.choices.map(one => (
          <option key={one}>{one}</option>
        ))}
      </select>
    );
  }
  return (
    <>
      <input
        {...shared}
        inputMode={field.kind === 'number' ? 'decimal' : 'text'}
        {...(field.choices.length > 0 && { list: `${shared.id}-seen` })}
      />
      {field.choices.length > 0 && (
        <datalist id={`${shared.id}-seen`}>
          {field.choices.map(one => (
            <option key={one} value={one} />
          ))}
        </datalist>
      )}
    </>
  );
}

function Answer(props: { answer: TryAnswer }): JSX.Element {
  const { trans } = useUi();
  const { answer } = props;
  const good = answer.status === 200;
  return (
    <>
      {good ? (
        <pre
          className="jp-Deploy-log"
          tabIndex={0}
          aria-label={trans.__('The answer')}
        >
          {JSON.stringify(answer.body, null, 2)}
        </pre>
      ) : (
        <NoAnswer answer={answer} />
      )}
      <p className="jp-Deploy-small">
        {answer.version && trans.__('%1 answered', answer.version)}
        {answer.version && ' · '}
        {trans.__('%1 altogether', measured(answer.seconds))}
        {answer.timing['model'] !== undefined &&
          ` · ${trans.__('the model took %1', measured(answer.timing['model'] / 1000))}`}
        {answer.request_id && ` · ${trans.__('request %1', answer.request_id)}`}
      </p>
    </>
  );
}

/** Why there is no prediction, and the way to where more is known. */
function NoAnswer(props: { answer: TryAnswer }): JSX.Element {
  const { trans } = useUi();
  const place = React.useRef<HTMLDivElement>(null);
  const { sentence, more } = verdict(trans, props.answer);
  return (
    <div ref={place} className="jp-Deploy-verdict">
      <p className="jp-Deploy-wrong">{sentence}</p>
      {more && (
        <button
          type="button"
          className="jp-Deploy-button jp-mod-small"
          onClick={() =>
            goTo(place.current?.closest('.jp-Deploy-page') ?? null, more)
          }
        >
          {more === 'errors'
            ? trans.__('Read the trace')
            : trans.__('Read the log')}
        </button>
      )}
    </div>
  );
}
