import * as React from 'react';

import type { IOutlineModel } from '../../api';
import { CommandIDs } from '../../commands/ids';
import { endpointBadge } from '../../model/states';
import { Badge } from '../badge';
import { useServices, useSignal } from '../context';
import { Button, Table } from '../controls';

/** Rows that a notebook's output bears; the panel shows all. */
export const MOST = 50;

function Served(props: { model: string }): React.ReactElement {
  const { trans, endpoints } = useServices();
  const [endpoint] = endpoints.ofModel(props.model);
  return endpoint ? (
    <Badge badge={endpointBadge(endpoint, trans)} />
  ) : (
    <span className="jp-modelserve-hint">{trans.__('no')}</span>
  );
}

/** Every registered model, as `%models` shows them. */
export function ModelsCard(): React.ReactElement {
  const { trans, models, endpoints, run } = useServices();
  useSignal(models.changed);
  useSignal(endpoints.changed);
  const { list } = models;
  const aliases = (each: IOutlineModel) =>
    Object.entries(each.aliases).map(([name, version]) => `${name}=${version}`);
  const stages = (each: IOutlineModel) =>
    Object.entries(each.stages).map(
      ([version, stage]) => `${stage}=${version}`
    );
  const row = (each: IOutlineModel) => [
    <button
      key="open"
      type="button"
      className="jp-modelserve-link"
      onClick={() => void run(CommandIDs.openModel, { model: each.name })}
    >
      {each.name}
    </button>,
    String(each.versions.length),
    each.versions[0] ?? '–',
    aliases(each).join(', ') || '–',
    stages(each).join(', ') || '–',
    <Served key="served" model={each.name} />
  ];
  if (!list.known) {
    return (
      <p className="jp-modelserve-hint">
        {list.problem || trans.__('Looking…')}
      </p>
    );
  }
  return (
    <>
      <Table
        label={trans.__('All models')}
        head={[
          trans.__('Model'),
          trans.__('Versions'),
          trans.__('Newest'),
          trans.__('Aliases'),
          trans.__('Stages'),
          trans.__('Served')
        ]}
        rows={list.models.slice(0, MOST).map(row)}
        none={trans.__('No model is registered yet; begin with %register.')}
      />
      {list.models.length > MOST && (
        <p className="jp-modelserve-hint">
          {trans.__(
            'The first %1 of %2.',
            String(MOST),
            String(list.models.length)
          )}{' '}
          <Button onClick={() => void run(CommandIDs.open)}>
            {trans.__('Show all in the panel')}
          </Button>
        </p>
      )}
    </>
  );
}
