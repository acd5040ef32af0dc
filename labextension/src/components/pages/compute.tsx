import { closeIcon, editIcon } from '@jupyterlab/ui-components';
import { JSONExt, type ReadonlyJSONValue } from '@lumino/coreutils';
import * as React from 'react';

import type { IEndpoint, IEndpointSpec, IServedEntity } from '../../api';
import { selectorText } from '../../model/states';
import * as magics from '../../model/magics';
import { useServices } from '../context';
import { Button, IconButton, Section } from '../controls';

const SIZES: IServedEntity['workload_size'][] = ['Small', 'Medium', 'Large'];

/** A number that may be left out, for which the server has a default. */
function numberOf(text: string): number | null {
  const found = Number(text);
  return text.trim() === '' || Number.isNaN(found) ? null : found;
}

function EntityRow(props: {
  entity: IServedEntity;
  limits: boolean;
  several: boolean;
  set: (part: Partial<IServedEntity>) => void;
}): React.ReactElement {
  const { trans } = useServices();
  const { entity, limits, several, set } = props;
  const what = `${entity.model}, ${selectorText(entity.selector, trans)}`;
  const box = (
    label: string,
    value: number | null,
    change: (text: string) => void,
    step = '1'
  ) => (
    <td>
      <input
        type="number"
        className="jp-modelserve-input jp-modelserve-number"
        aria-label={trans.__('%1 of %2', label, what)}
        min={0}
        step={step}
        value={value ?? ''}
        placeholder={trans.__('auto')}
        onChange={event => change(event.target.value)}
      />
    </td>
  );
  return (
    <tr>
      <th scope="row">{what}</th>
      <td>
        <select
          className="jp-modelserve-input"
          aria-label={trans.__('Size of %1', what)}
          value={entity.workload_size}
          onChange={event =>
            set({
              workload_size: event.target
                .value as IServedEntity['workload_size']
            })
          }
        >
          {SIZES.map(each => (
            <option key={each}>{each}</option>
          ))}
        </select>
      </td>
      {box(trans.__('Replicas'), entity.replicas, text =>
        set({ replicas: numberOf(text) ?? 1 })
      )}
      {several &&
        box(trans.__('Traffic'), entity.traffic, text =>
          set({ traffic: numberOf(text) ?? 0 })
        )}
      {limits &&
        box(
          trans.__('Cores'),
          entity.cores,
          text => set({ cores: numberOf(text) }),
          '0.5'
        )}
      {limits &&
        box(
          trans.__('Memory (GiB)'),
          entity.memory_gb,
          text => set({ memory_gb: numberOf(text) }),
          '0.5'
        )}
    </tr>
  );
}

/** The tags of an endpoint as a table: add, edit, delete (REQ-049). */
function Tags(props: {
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

/** The cell that does the same, where `%serve` can: one entity. */
function magicOf(spec: IEndpointSpec): string {
  const [entity] = spec.entities;
  return spec.entities.length === 1
    ? magics.serve(magics.reference(entity.model, entity.selector), {
        name: spec.name,
        size: entity.workload_size,
        replicas: entity.replicas
      })
    : '';
}

/** Compute of each entity, tags, and Save, which replaces without a gap (REQ-047 to REQ-049, REQ-168). */
export function Compute(props: { endpoint: IEndpoint }): React.ReactElement {
  const { trans, actions, status } = useServices();
  const { spec } = props.endpoint;
  const [draft, setDraft] = React.useState(spec);
  const [saving, setSaving] = React.useState(false);
  const known = React.useRef(spec);
  const same = JSONExt.deepEqual(
    draft as unknown as ReadonlyJSONValue,
    spec as unknown as ReadonlyJSONValue
  );
  React.useEffect(() => {
    // Somebody else changed it: follow, unless something is being edited here.
    const untouched = JSONExt.deepEqual(
      draft as unknown as ReadonlyJSONValue,
      known.current as unknown as ReadonlyJSONValue
    );
    known.current = spec;
    if (untouched) {
      setDraft(spec);
    }
  }, [spec]);
  const { state } = status;
  const isolation = state.kind === 'running' ? state.instance.isolation : '';
  const engine = state.kind === 'running' ? state.instance.engine : '';
  const limits = engine !== 'process' || spec.engine === 'docker';
  const several = draft.entities.length > 1;
  const shares = draft.entities.reduce((sum, each) => sum + each.traffic, 0);
  const problem =
    several && shares !== 100
      ? trans.__('The traffic must add up to 100%, not %1%.', String(shares))
      : '';
  const set = (index: number, part: Partial<IServedEntity>) =>
    setDraft({
      ...draft,
      entities: draft.entities.map((each, place) =>
        place === index ? { ...each, ...part } : each
      )
    });
  const save = async () => {
    if (saving) {
      return;
    }
    setSaving(true);
    await actions.change(draft);
    setSaving(false);
  };
  const magic = magicOf(draft);
  return (
    <>
      <Section title={trans.__('Compute')}>
        <table
          className="jp-modelserve-table"
          aria-label={trans.__('Compute settings')}
        >
          <thead>
            <tr>
              <th scope="col">{trans.__('What is served')}</th>
              <th scope="col">{trans.__('Size')}</th>
              <th scope="col">{trans.__('Replicas')}</th>
              {several && <th scope="col">{trans.__('Traffic (%)')}</th>}
              {limits && <th scope="col">{trans.__('Cores')}</th>}
              {limits && <th scope="col">{trans.__('Memory (GiB)')}</th>}
            </tr>
          </thead>
          <tbody>
            {draft.entities.map((each, index) => (
              <EntityRow
                key={each.name}
                entity={each}
                limits={limits}
                several={several}
                set={part => set(index, part)}
              />
            ))}
          </tbody>
        </table>
        <p className="jp-modelserve-hint">
          {trans.__(
            'Small, Medium and Large work on 4, 16 and 64 requests at a time in each replica. Engine: %1.',
            draft.engine ?? engine
          )}{' '}
          {isolation}
        </p>
      </Section>
      <Section title={trans.__('Tags')}>
        <Tags tags={draft.tags} set={tags => setDraft({ ...draft, tags })} />
      </Section>
      <div className="jp-modelserve-row jp-modelserve-saveRow">
        <span className="jp-modelserve-hint" role="status">
          {problem ||
            (same
              ? trans.__('Nothing to save.')
              : trans.__(
                  'Save prepares new replicas beside the present ones and then moves over: no request is lost.'
                ))}
        </span>
        <span className="jp-modelserve-inline">
          <Button disabled={same} onClick={() => setDraft(spec)}>
            {trans.__('Reset')}
          </Button>
          <Button
            accept
            disabled={same || problem !== ''}
            onClick={() => void save()}
          >
            {trans.__('Save')}
          </Button>
        </span>
      </div>
      {magic && !same && (
        <pre className="jp-modelserve-code" tabIndex={0}>
          {magic}
        </pre>
      )}
    </>
  );
}
