import { Dialog, ReactWidget } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { Copyable } from '../address';

/** What was filled in, by the names of the fields. */
export type Values = Record<string, string>;

/** One field of a form. */
export interface IField {
  name: string;
  label: string;
  kind: 'text' | 'area' | 'choice' | 'check' | 'number' | 'note';
  value?: string;
  choices?: { value: string; label: string }[];
  /** Known values that are offered while typing. */
  suggestions?: string[];
  hint?: string;
  /** Whether it is asked for; always by default. */
  when?: (values: Values) => boolean;
  /** A button beside the field that fills it. */
  fill?: { label: string; value: () => Promise<string> };
}

/** A form in a dialog. */
export interface IForm {
  title: string;
  fields: IField[];
  accept: string;
  warn?: boolean;
  /** What is wrong, or nothing. */
  check?: (values: Values) => string;
  /** The cell that does the same. */
  magic?: (values: Values) => string;
}

interface IBodyProps {
  form: IForm;
  trans: TranslationBundle;
  initial: Values;
  onChange: (values: Values) => void;
  magicLabel: string;
}

function Field(props: {
  field: IField;
  value: string;
  set: (value: string) => void;
}): React.ReactElement {
  const { field, value, set } = props;
  const id = `jp-modelserve-field-${field.name}`;
  const list = `${id}-known`;
  const hint = field.hint ? `${id}-hint` : undefined;
  if (field.kind === 'note') {
    return <p className="jp-modelserve-hint">{field.label}</p>;
  }
  const shared = {
    id,
    'aria-describedby': hint,
    className: 'jp-modelserve-input'
  };
  const control =
    field.kind === 'choice' ? (
      <select {...shared} value={value} onChange={e => set(e.target.value)}>
        {(field.choices ?? []).map(each => (
          <option key={each.value} value={each.value}>
            {each.label}
          </option>
        ))}
      </select>
    ) : field.kind === 'area' ? (
      <textarea
        {...shared}
        rows={5}
        value={value}
        onChange={e => set(e.target.value)}
      />
    ) : (
      <input
        {...shared}
        type={field.kind === 'number' ? 'number' : 'text'}
        min={1}
        list={field.suggestions ? list : undefined}
        value={value}
        spellCheck={false}
        onChange={e => set(e.target.value)}
      />
    );
  return (
    <div className="jp-modelserve-field">
      {field.kind === 'check' ? (
        <label>
          <input
            type="checkbox"
            aria-describedby={hint}
            checked={value === 'true'}
            onChange={e => set(String(e.target.checked))}
          />{' '}
          {field.label}
        </label>
      ) : (
        <>
          <label htmlFor={id}>{field.label}</label>
          {control}
        </>
      )}
      {field.suggestions && (
        <datalist id={list}>
          {field.suggestions.map(each => (
            <option key={each} value={each} />
          ))}
        </datalist>
      )}
      {field.fill && (
        <button
          type="button"
          className="jp-modelserve-button"
          onClick={() => void field.fill?.value().then(set)}
        >
          {field.fill.label}
        </button>
      )}
      {field.hint && (
        <p id={hint} className="jp-modelserve-hint">
          {field.hint}
        </p>
      )}
    </div>
  );
}

function Body(props: IBodyProps): React.ReactElement {
  const { form, trans } = props;
  const [values, setValues] = React.useState(props.initial);
  const problem = form.check?.(values) ?? '';
  return (
    <div className="jp-modelserve-form">
      {form.fields
        .filter(field => field.when?.(values) ?? true)
        .map(field => (
          <Field
            key={field.name}
            field={field}
            value={values[field.name] ?? ''}
            set={value => {
              const next = { ...values, [field.name]: value };
              setValues(next);
              props.onChange(next);
            }}
          />
        ))}
      <p className="jp-modelserve-error" role="status">
        {problem}
      </p>
      {form.magic && (
        <div className="jp-modelserve-magic">
          <span>{props.magicLabel}</span>
          <Copyable
            text={form.magic(values)}
            label={trans.__('Copy the cell')}
            block
          />
        </div>
      )}
    </div>
  );
}

/** Holds the form and what was filled in. */
class FormBody extends ReactWidget implements Dialog.IBodyWidget<Values> {
  constructor(
    private readonly form: IForm,
    private readonly trans: TranslationBundle
  ) {
    super();
    this.values = Object.fromEntries(
      form.fields.map(field => [field.name, field.value ?? ''])
    );
    this.addClass('jp-modelserve-dialog');
  }

  /** Called after every change, with what is wrong. */
  onChecked: (problem: string) => void = () => undefined;

  /** What was filled in. */
  getValue(): Values {
    return this.values;
  }

  /** What is wrong now. */
  get problem(): string {
    return this.form.check?.(this.values) ?? '';
  }

  protected render(): React.ReactElement {
    return (
      <Body
        form={this.form}
        trans={this.trans}
        initial={this.values}
        magicLabel={this.trans.__('The same in a notebook:')}
        onChange={values => {
          this.values = values;
          this.onChecked(this.problem);
        }}
      />
    );
  }

  private values: Values;
}

/** Show a form; what was filled in, or nothing when it was cancelled. It cannot be accepted while something is wrong. */
export async function ask(
  form: IForm,
  trans: TranslationBundle
): Promise<Values | null> {
  const body = new FormBody(form, trans);
  const accept = form.warn
    ? Dialog.warnButton({ label: form.accept })
    : Dialog.okButton({ label: form.accept });
  const dialog = new Dialog<Values>({
    title: form.title,
    body,
    buttons: [Dialog.cancelButton({ label: trans.__('Cancel') }), accept],
    defaultButton: form.warn ? 0 : 1,
    focusNodeSelector:
      '.jp-modelserve-form input, .jp-modelserve-form select, .jp-modelserve-form textarea'
  });
  const enable = (problem: string) => {
    const button = dialog.node.querySelector<HTMLButtonElement>(
      '.jp-Dialog-footer button:last-child'
    );
    if (button) {
      button.disabled = problem !== '';
    }
  };
  body.onChecked = enable;
  requestAnimationFrame(() => enable(body.problem));
  const result = await dialog.launch();
  return result.button.accept && !body.problem ? result.value : null;
}
