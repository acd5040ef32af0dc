import { JSONExt, type ReadonlyJSONValue } from '@lumino/coreutils';
import * as React from 'react';

import type {
  EngineChoice,
  IEndpoint,
  IEndpointSpec,
  IServedEntity
} from '../../api';
import * as magics from '../../model/magics';
import { endpointFor } from '../../model/names';
import { useServices } from '../context';
import { Button, Section } from '../controls';
import { EntityRow } from './entity';
import { Tags } from './tags';

const ENGINES: EngineChoice[] = ['process', 'docker', 'auto'];

/** What runs the replicas: processes of this machine, containers, or what can be used. */
function Engine(props: {
  chosen: EngineChoice | null;
  usual: string;
  set: (engine: EngineChoice | null) => void;
}): React.ReactElement {
  const { trans } = useServices();
  const words: Record<EngineChoice, string> = {
    process: trans.__('Processes of this machine'),
    docker: trans.__('Docker containers without network'),
    auto: trans.__('Docker where it can be used, else processes')
  };
  return (
    <label className="jp-modelserve-inline jp-modelserve-engine">
      {trans.__('Engine:')}
      <select
        className="jp-modelserve-input"
        value={props.chosen ?? ''}
        onChange={event =>
          props.set((event.target.value || null) as EngineChoice | null)
        }
      >
        <option value="">
          {trans.__('As the instance is set: %1', props.usual)}
        </option>
        {ENGINES.map(each => (
          <option key={each} value={each}>
            {words[each]}
          </option>
        ))}
      </select>
    </label>
  );
}

/** The cell that does the same, where `%serve` can: one entity. */
function magicOf(spec: IEndpointSpec): string {
  const [entity] = spec.entities;
  return spec.entities.length === 1
    ? magics.serve(magics.reference(entity.model, entity.selector), {
        name: spec.name === endpointFor(entity.model) ? '' : spec.name,
        size: entity.workload_size,
        replicas: entity.replicas,
        min: entity.min_replicas,
        max: entity.max_replicas,
        scaleToZero: entity.scale_to_zero,
        engine: spec.engine
      })
    : '';
}

function equal(one: IEndpointSpec, other: IEndpointSpec): boolean {
  return JSONExt.deepEqual(
    one as unknown as ReadonlyJSONValue,
    other as unknown as ReadonlyJSONValue
  );
}

/** Compute of each entity, tags, and Save, which replaces without a gap (REQ-047 to REQ-049, REQ-168). */
export function Compute(props: { endpoint: IEndpoint }): React.ReactElement {
  const { trans, actions, status } = useServices();
  const { spec } = props.endpoint;
  const [draft, setDraft] = React.useState(spec);
  const [saving, setSaving] = React.useState(false);
  // What the draft was made from: Save counts only while the endpoint is that.
  const [seen, setSeen] = React.useState(props.endpoint);
  const same = equal(draft, spec);
  const unmoved = equal(seen.spec, spec);
  React.useEffect(() => {
    // Somebody else changed it: follow, unless something is being edited here.
    const untouched = equal(draft, seen.spec);
    if (untouched || unmoved || same) {
      setSeen(props.endpoint);
    }
    if (untouched && !same) {
      setDraft(spec);
    }
  }, [props.endpoint]);
  const { state } = status;
  const isolation = state.kind === 'running' ? state.instance.isolation : '';
  const engine = state.kind === 'running' ? state.instance.engine : '';
  const limits =
    (draft.engine ?? engine) !== 'process' || spec.engine === 'docker';
  const several = draft.entities.length > 1;
  const shares = draft.entities.reduce((sum, each) => sum + each.traffic, 0);
  const problem =
    several && shares !== 100
      ? trans.__('The traffic must add up to 100%, not %1%.', String(shares))
      : !same && !unmoved
        ? trans.__(
            'Somebody else changed this endpoint meanwhile. Reset shows what it is now.'
          )
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
    await actions.change(draft, seen);
    setSaving(false);
  };
  const reset = () => {
    setSeen(props.endpoint);
    setDraft(spec);
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
              <th scope="col">{trans.__('Min replicas')}</th>
              <th scope="col">{trans.__('Max replicas')}</th>
              <th scope="col">{trans.__('Scale to zero')}</th>
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
        <Engine
          chosen={draft.engine}
          usual={engine}
          set={chosen => setDraft({ ...draft, engine: chosen })}
        />
        <p className="jp-modelserve-hint">
          {trans.__(
            'Small, Medium and Large work on 4, 16 and 64 requests at a time in each replica. Between min and max, the number of replicas follows the load.'
          )}{' '}
          {draft.engine === spec.engine && isolation
            ? trans.__('Isolation: %1', isolation)
            : ''}
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
          <Button disabled={same} onClick={reset}>
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
