import { closeIcon, editIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import { useServices } from '../context';
import { Button, IconButton } from '../controls';

/** The tags of an endpoint as a table: add, edit, delete (REQ-049). */
export function Tags(props: {
  tags: Record<string, string>;
  set: (tags: Record<string, string>) => void;
}): React.ReactElement {
  const { trans } = useServices();
  const { tags, set } = props;
  const [name, setName] = React.useState('');
  const [value, setValue] = React.useState('');
  const field = React.useRef<HTMLInputElement>(null);
  const known = name.trim() in tags;
  return (
    <>
      <table
        className="jp-modelserve-table"
        aria-label={trans.__('Tags of the endpoint')}
      >
        <thead>
          <tr>
            <th scope="col">{trans.__('Name')}</th>
            <th scope="col">{trans.__('Value')}</th>
            <th scope="col">{trans.__('Actions')}</th>
          </tr>
        </thead>
        <tbody>
          {Object.entries(tags).map(([key, each]) => (
            <tr key={key}>
              <td>{key}</td>
              <td>{each}</td>
              <td>
                <IconButton
                  icon={editIcon}
                  label={trans.__('Edit tag %1', key)}
                  onClick={() => {
                    setName(key);
                    setValue(each);
                    field.current?.focus();
                  }}
                />
                <IconButton
                  icon={closeIcon}
                  label={trans.__('Delete tag %1', key)}
                  onClick={() => {
                    const left = { ...tags };
                    delete left[key];
                    set(left);
                  }}
                />
              </td>
            </tr>
          ))}
          <tr>
            <td>
              <input
                className="jp-modelserve-input"
                aria-label={trans.__('Name of the tag')}
                value={name}
                onChange={event => setName(event.target.value)}
              />
            </td>
            <td>
              <input
                ref={field}
                className="jp-modelserve-input"
                aria-label={trans.__('Value of the tag')}
                value={value}
                onChange={event => setValue(event.target.value)}
              />
            </td>
            <td>
              <Button
                disabled={name.trim() === ''}
                onClick={() => {
                  set({ ...tags, [name.trim()]: value });
                  setName('');
                  setValue('');
                }}
              >
                {known ? trans.__('Change') : trans.__('Add')}
              </Button>
            </td>
          </tr>
        </tbody>
      </table>
    </>
  );
}
