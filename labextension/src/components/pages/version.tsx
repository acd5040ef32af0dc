import * as React from 'react';

import type { IVersionDetail } from '../../api';
import { CommandIDs } from '../../commands/ids';
import { isThreeLevel, STAGES } from '../../model/names';
import { type IColumn, pretty } from '../../model/payload';
import type { IRun } from '../../model/runs';
import { versionBadge } from '../../model/states';
import { Badge } from '../badge';
import { useAnswer, useServices, useSignal } from '../context';
import { Button, Facts, Section, Table, when } from '../controls';
import { type ITab, Tabs } from '../tabs';
import { Checks } from './check';
import { LineageGraph } from './lineage';
import { Aliases, Answer, Description, PageHead, TagList } from './shared';

interface IParts {
  detail: IVersionDetail;
  run: IRun | null;
}

const SIGNIFICANT = 6;

function Overview(props: IParts): React.ReactElement {
  const { trans, run: execute } = useServices();
  const { detail, run } = props;
  const { version } = detail;
  const { metrics = [], params = [] } = run?.data ?? {};
  return (
    <>
      <Facts
        facts={[
          [trans.__('Registered'), when(version.created_at)],
          [trans.__('Flavour'), detail.flavors.join(', ') || '–'],
          [trans.__('Python'), detail.python_version || '–'],
          [trans.__('MLflow'), detail.mlflow_version || '–'],
          [trans.__('Run'), version.run_id || '–'],
          [trans.__('Source'), version.source],
          [
            trans.__('Aliases'),
            <span key="aliases" className="jp-modelserve-inline">
              <Aliases model={version.model} aliases={version.aliases} />
              <Button
                onClick={() =>
                  void execute(CommandIDs.setAlias, {
                    model: version.model,
                    version: version.version
                  })
                }
              >
                {trans.__('Set alias')}
              </Button>
            </span>
          ]
        ]}
      />
      <Description
        model={version.model}
        version={version.version}
        text={version.description}
      />
      <TagList
        model={version.model}
        version={version.version}
        tags={version.tags}
      />
      <Section title={trans.__('Metrics')}>
        <Table
          label={trans.__('Metrics')}
          head={[trans.__('Metric'), trans.__('Value')]}
          rows={metrics.map(each => [
            each.key,
            String(Number(each.value.toPrecision(SIGNIFICANT)))
          ])}
          none={trans.__('Its run has no metric.')}
        />
      </Section>
      <Section title={trans.__('Parameters')}>
        <Table
          label={trans.__('Parameters')}
          head={[trans.__('Parameter'), trans.__('Value')]}
          rows={params.map(each => [each.key, each.value])}
          none={trans.__('Its run has no parameter.')}
        />
      </Section>
    </>
  );
}

function typeOf(column: IColumn): string {
  const tensor = column['tensor-spec'];
  return tensor ? `${tensor.dtype} [${tensor.shape.join(', ')}]` : column.type;
}

function Columns(props: { title: string; part: unknown }): React.ReactElement {
  const { trans } = useServices();
  const columns = Array.isArray(props.part) ? (props.part as IColumn[]) : [];
  return (
    <Section title={props.title}>
      <Table
        label={props.title}
        head={[trans.__('Name'), trans.__('Type'), trans.__('Required')]}
        rows={columns.map(each => [
          each.name ?? '–',
          typeOf(each),
          each.required === false || each.optional
            ? trans.__('no')
            : trans.__('yes')
        ])}
        none={trans.__('none')}
      />
    </Section>
  );
}

function Signature(props: IParts): React.ReactElement {
  const { trans } = useServices();
  const { signature, example } = props.detail;
  return (
    <>
      {signature ? (
        <>
          <Columns title={trans.__('Inputs')} part={signature.inputs} />
          <Columns title={trans.__('Outputs')} part={signature.outputs} />
          {Array.isArray(signature.params) && signature.params.length > 0 && (
            <Columns title={trans.__('Parameters')} part={signature.params} />
          )}
        </>
      ) : (
        <p className="jp-modelserve-message">
          {trans.__(
            'It has no signature: requests are not checked before the model sees them.'
          )}
        </p>
      )}
      <Section title={trans.__('Input example')}>
        {example === null || example === undefined ? (
          <p className="jp-modelserve-hint">
            {trans.__('It was logged without an input example.')}
          </p>
        ) : (
          <pre className="jp-modelserve-code" tabIndex={0}>
            {pretty(example)}
          </pre>
        )}
      </Section>
    </>
  );
}

function Files(props: IParts): React.ReactElement {
  const { trans } = useServices();
  const { files, mlmodel, requirements } = props.detail;
  return (
    <>
      <Section title={trans.__('Requirements')}>
        <pre className="jp-modelserve-code" tabIndex={0}>
          {requirements || trans.__('none declared')}
        </pre>
      </Section>
      <Section title={trans.__('MLmodel file')}>
        <pre
          className="jp-modelserve-code"
          tabIndex={0}
          aria-label={trans.__('MLmodel file')}
        >
          {mlmodel || trans.__('missing')}
        </pre>
      </Section>
      <Section title={trans.__('Files')}>
        <Table
          label={trans.__('Files')}
          head={[trans.__('Path'), trans.__('Bytes')]}
          rows={files.map(each => [each.path, each.size.toLocaleString()])}
          none={trans.__('none')}
        />
      </Section>
    </>
  );
}

function Head(props: { detail: IVersionDetail }): React.ReactElement {
  const { trans, endpoints, run } = useServices();
  useSignal(endpoints.changed);
  const { model, version, stage } = props.detail.version;
  const about = { model, version };
  const served = endpoints.ofVersion(model, version)[0];
  return (
    <PageHead
      title={trans.__('%1 version %2', model, version)}
      subtitle={
        <button
          type="button"
          className="jp-modelserve-link"
          onClick={() => void run(CommandIDs.openModel, { model })}
        >
          {trans.__('All versions of %1', model)}
        </button>
      }
      state={
        served ? (
          <Badge badge={versionBadge(served.version.state, trans)} />
        ) : undefined
      }
    >
      {!isThreeLevel(model) && (
        <label className="jp-modelserve-inline">
          {trans.__('Stage:')}
          <select
            className="jp-modelserve-input"
            value={stage}
            onChange={event =>
              void run(CommandIDs.setStage, {
                ...about,
                stage: event.target.value
              })
            }
          >
            {STAGES.map(each => (
              <option key={each} value={each}>
                {each}
              </option>
            ))}
          </select>
        </label>
      )}
      <Button
        accept
        onClick={() =>
          void run(CommandIDs.serve, {
            model,
            selector: `version=${version}`
          })
        }
      >
        {trans.__('Serve…')}
      </Button>
      <Button
        onClick={() =>
          void run(CommandIDs.openVersion, { ...about, tab: 'check' })
        }
      >
        {trans.__('Validate…')}
      </Button>
      <Button onClick={() => void run(CommandIDs.copyVersion, about)}>
        {trans.__('Copy this version…')}
      </Button>
      <Button onClick={() => void run(CommandIDs.insert, about)}>
        {trans.__('Insert into notebook')}
      </Button>
      <Button warn onClick={() => void run(CommandIDs.remove, about)}>
        {trans.__('Delete…')}
      </Button>
    </PageHead>
  );
}

/** One version of a model. */
export function VersionPage(props: {
  name: string;
  version: string;
  tab: string;
  onTab: (tab: string) => void;
}): React.ReactElement {
  const { trans, client, models } = useServices();
  const changed = useSignal(models.changed);
  const { name, version, tab, onTab } = props;
  const answer = useAnswer(async (): Promise<IParts> => {
    const detail = await client.call<IVersionDetail>(
      'GET /models/{name}/versions/{version}',
      { path: { name, version } }
    );
    const { run_id } = detail.version;
    const found = run_id
      ? await client
          .mlflow<{ run: IRun }>('GET', 'runs/get', { run_id })
          .catch(() => null)
      : null;
    return { detail, run: found?.run ?? null };
  }, [name, version, models.revision, changed]);
  const tabs = (parts: IParts): ITab[] => [
    {
      id: 'overview',
      label: trans.__('Overview'),
      content: () => <Overview {...parts} />
    },
    {
      id: 'signature',
      label: trans.__('Signature'),
      content: () => <Signature {...parts} />
    },
    {
      id: 'check',
      label: trans.__('Validation'),
      content: () => (
        <Checks
          model={name}
          version={version}
          source={parts.detail.version.source}
        />
      )
    },
    {
      id: 'lineage',
      label: trans.__('Lineage'),
      content: () => <LineageGraph model={name} version={version} />
    },
    {
      id: 'files',
      label: trans.__('Files'),
      content: () => <Files {...parts} />
    }
  ];
  return (
    <div className="jp-modelserve-doc">
      <Answer answer={answer}>
        {parts => (
          <>
            <Head detail={parts.detail} />
            {parts.detail.problem && (
              <p className="jp-modelserve-banner" role="status">
                {parts.detail.problem}
              </p>
            )}
            <Tabs
              label={trans.__('Parts of version %1', version)}
              tabs={tabs(parts)}
              active={tab || 'overview'}
              onChange={onTab}
            />
          </>
        )}
      </Answer>
    </div>
  );
}
