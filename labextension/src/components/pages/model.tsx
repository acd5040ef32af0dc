import { runIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import type { IModel } from '../../api';
import { CommandIDs } from '../../commands/ids';
import { isThreeLevel } from '../../model/names';
import { endpointBadge, versionBadge } from '../../model/states';
import { Badge } from '../badge';
import { useAnswer, useServices, useSignal } from '../context';
import { Button, Facts, Table, when } from '../controls';
import { type ITab, Tabs } from '../tabs';
import { Serving } from './serving';
import { Aliases, Answer, Description, PageHead, TagList } from './shared';
import { Audit, Permissions } from './governed';

function Versions(props: { model: IModel }): React.ReactElement {
  const { trans, endpoints, run } = useServices();
  const { model } = props;
  const staged = !isThreeLevel(model.name);
  const rows = model.versions.map(each => {
    const served = endpoints.ofVersion(model.name, each.version)[0];
    const about = { model: model.name, version: each.version };
    return [
      <button
        key="open"
        type="button"
        className="jp-modelserve-link"
        onClick={() => void run(CommandIDs.openVersion, about)}
      >
        {trans.__('Version %1', each.version)}
      </button>,
      <span key="aliases" className="jp-modelserve-inline">
        <Aliases model={model.name} aliases={each.aliases} />
        <Button
          label={trans.__('Set an alias of version %1', each.version)}
          onClick={() => void run(CommandIDs.setAlias, about)}
        >
          {trans.__('Set alias')}
        </Button>
      </span>,
      ...(staged ? [each.stage] : []),
      served ? (
        <Badge badge={versionBadge(served.version.state, trans)} />
      ) : (
        trans.__('Not served')
      ),
      when(each.created_at),
      each.description
    ];
  });
  return (
    <Table
      label={trans.__('Versions')}
      head={[
        trans.__('Version'),
        trans.__('Aliases'),
        ...(staged ? [trans.__('Stage')] : []),
        trans.__('Serving'),
        trans.__('Registered'),
        trans.__('Description')
      ]}
      rows={rows}
      none={trans.__('This model has no version yet.')}
    />
  );
}

function Overview(props: { model: IModel }): React.ReactElement {
  const { trans } = useServices();
  const { model } = props;
  const aliases = Object.entries(model.aliases)
    .map(([alias, version]) => trans.__('%1 → version %2', alias, version))
    .join(', ');
  return (
    <>
      <Facts
        facts={[
          [trans.__('Versions'), String(model.versions.length)],
          [trans.__('Aliases'), aliases || trans.__('none')],
          [trans.__('Registered'), when(model.created_at)],
          [trans.__('Last change'), when(model.updated_at)]
        ]}
      />
      <Description model={model.name} text={model.description} />
      <TagList model={model.name} tags={model.tags} />
    </>
  );
}

/** A registered model: overview, versions, serving. */
export function ModelPage(props: {
  name: string;
  tab: string;
  onTab: (tab: string) => void;
}): React.ReactElement {
  const { trans, client, endpoints, models, run } = useServices();
  useSignal(endpoints.changed);
  const changed = useSignal(models.changed);
  const { name, tab, onTab } = props;
  const answer = useAnswer(
    () =>
      client.call<IModel>('GET /models/{name}', {
        path: { name }
      }),
    [name, models.revision, changed]
  );
  const serving = endpoints.ofModel(name);
  const tabs = (model: IModel): ITab[] => [
    {
      id: 'overview',
      label: trans.__('Overview'),
      content: () => <Overview model={model} />
    },
    {
      id: 'versions',
      label: trans.__('Versions (%1)', String(model.versions.length)),
      content: () => <Versions model={model} />
    },
    {
      id: 'serving',
      label: trans.__('Serving'),
      content: () => <Serving model={name} endpoints={serving} />
    },
    {
      id: 'permissions',
      label: trans.__('Permissions'),
      content: () => <Permissions model={name} />
    },
    {
      id: 'audit',
      label: trans.__('Audit'),
      content: () => <Audit model={name} />
    }
  ];
  return (
    <div className="jp-modelserve-doc">
      <PageHead
        title={name}
        subtitle={trans.__('Registered model')}
        state={serving[0] && <Badge badge={endpointBadge(serving[0], trans)} />}
      >
        {serving.length === 0 && (
          <Button
            accept
            onClick={() => void run(CommandIDs.serve, { model: name })}
          >
            <runIcon.react tag="span" width="14px" height="14px" />
            {trans.__('Enable serving')}
          </Button>
        )}
        <Button onClick={() => void run(CommandIDs.insert, { model: name })}>
          {trans.__('Insert into notebook')}
        </Button>
        <Button
          warn
          onClick={() => void run(CommandIDs.remove, { model: name })}
        >
          {trans.__('Delete…')}
        </Button>
      </PageHead>
      <Answer answer={answer}>
        {model => (
          <Tabs
            label={trans.__('Parts of %1', name)}
            tabs={tabs(model)}
            active={tab || 'overview'}
            onChange={onTab}
          />
        )}
      </Answer>
    </div>
  );
}
