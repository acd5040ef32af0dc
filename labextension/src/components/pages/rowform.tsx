import * as React from 'react';

import { type IColumn, type ITable, valueOf } from '../../model/payload';
import { useServices } from '../context';

/** One row as a form made from the signature. */
export function RowForm(props: {
  columns: IColumn[];
  example: ITable | null;
  onChange: (table: ITable) => void;
}): React.ReactElement {
  const { trans } = useServices();
  const { columns, example, onChange } = props;
  const unique = React.useId();
  const [values, setValues] = React.useState<Record<string, string>>(() =>
    Object.fromEntries(
      columns.map(({ name = '' }) => {
        const place = example?.columns.indexOf(name) ?? -1;
        const value = place >= 0 ? example?.rows[0]?.[place] : '';
        const text =
          typeof value === 'object' && value !== null
            ? JSON.stringify(value)
            : String(value ?? '');
        return [name, text];
      })
    )
  );
  const tell = (next: Record<string, string>) => {
    const given = columns.filter(
      ({ name = '', required, optional }) =>
        next[name] !== '' || !(required === false || optional)
    );
    onChange({
      columns: given.map(({ name = '' }) => name),
      rows: [given.map(each => valueOf(each, next[each.name ?? '']))]
    });
  };
  React.useEffect(() => tell(values), []);
  const change = (name: string, text: string) => {
    const next = { ...values, [name]: text };
    setValues(next);
    tell(next);
  };
  return (
    <div
      className="jp-modelserve-form jp-modelserve-rowForm"
      role="group"
      aria-label={trans.__('A row of the signature')}
    >
      {columns.map(({ name = '', type }) => (
        <div key={name} className="jp-modelserve-field">
          <label htmlFor={unique + name}>
            {name} <span className="jp-modelserve-hint">{type}</span>
          </label>
          {type === 'boolean' ? (
            <select
              id={unique + name}
              className="jp-modelserve-input"
              value={values[name]}
              onChange={event => change(name, event.target.value)}
            >
              <option value="">–</option>
              <option value="true">{trans.__('true')}</option>
              <option value="false">{trans.__('false')}</option>
            </select>
          ) : (
            <input
              id={unique + name}
              className="jp-modelserve-input"
              value={values[name]}
              onChange={event => change(name, event.target.value)}
            />
          )}
        </div>
      ))}
    </div>
  );
}
