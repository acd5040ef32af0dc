import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import * as React from 'react';

import type { ILineage, ILineageEdge, ILineageNode, NodeType } from '../../api';
import { CommandIDs } from '../../commands/ids';
import { useAnswer, useServices, useSignal } from '../context';
import { Button, Facts, Section, Table, when } from '../controls';
import { Answer } from './shared';

const BOX = { width: 184, height: 42, across: 44, down: 14, edge: 6 };
const LETTERS = 22;
const FAMILY: Partial<Record<NodeType, string>> = {
  dataset: 'data',
  notebook: 'notebook',
  execution: 'notebook',
  output: 'notebook',
  run: 'run',
  'logged model': 'run',
  version: 'version',
  model: 'version',
  alias: 'name',
  stage: 'name',
  endpoint: 'endpoint'
};
const TIMES = new Set(['created_at', 'started_at', 'ended_at', 'deleted']);

function place(node: ILineageNode): { x: number; y: number } {
  return {
    x: BOX.edge + node.column * (BOX.width + BOX.across),
    y: BOX.edge + node.row * (BOX.height + BOX.down)
  };
}

/** What people call a kind of node, and what matters of it. */
function detail(node: ILineageNode): string {
  const { facts, type } = node;
  const word = { dataset: 'data set', execution: 'notebook run' }[
    type as string
  ];
  const state = facts.deleted
    ? 'deleted'
    : String(facts.status ?? facts.state ?? '').toLowerCase();
  const rows =
    typeof facts.rows === 'number'
      ? `${facts.rows.toLocaleString()} rows`
      : state;
  return [word ?? type, rows].filter(Boolean).join(' · ');
}

function Edge(props: {
  edge: ILineageEdge;
  from: ILineageNode;
  to: ILineageNode;
}): React.ReactElement {
  const { edge, from, to } = props;
  const [a, b] = [place(from), place(to)];
  const [x1, y1] = [a.x + BOX.width, a.y + BOX.height / 2];
  const [x2, y2] = [b.x, b.y + BOX.height / 2];
  const bend = Math.max(BOX.across / 2, (x2 - x1) / 2);
  return (
    <g className={edge.ended_at ? 'jp-mod-past' : undefined}>
      <path
        d={`M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2 - 5} ${y2}`}
      >
        <title>{`${from.name} ${edge.relation} ${to.name}`}</title>
      </path>
      <path
        className="jp-mod-tip"
        d={`M${x2 - 6} ${y2 - 3} L${x2} ${y2} L${x2 - 6} ${y2 + 3}z`}
      />
    </g>
  );
}

function Box(props: {
  node: ILineageNode;
  focus: boolean;
  chosen: boolean;
  onChoose: () => void;
}): React.ReactElement {
  const { node, focus, chosen, onChoose } = props;
  const { x, y } = place(node);
  const family = node.withheld ? 'withheld' : (FAMILY[node.type] ?? 'other');
  const short =
    node.name.length > LETTERS ? `…${node.name.slice(-LETTERS)}` : node.name;
  return (
    <g
      className={`jp-modelserve-node jp-mod-${family}${focus ? ' jp-mod-focus' : ''}`}
      role="button"
      tabIndex={0}
      aria-pressed={chosen}
      aria-label={`${detail(node)} ${node.name}`}
      onClick={onChoose}
      onKeyDown={event => {
        if (event.key === 'Enter' || event.key === ' ') {
          event.preventDefault();
          onChoose();
        }
      }}
    >
      <title>{node.name}</title>
      <rect x={x} y={y} width={BOX.width} height={BOX.height} rx={6} />
      <text x={x + 9} y={y + 18}>
        {short}
      </text>
      <text className="jp-mod-detail" x={x + 9} y={y + 33}>
        {detail(node)}
      </text>
    </g>
  );
}

/** Which page shows a node, if any does. */
function pageOf(
  node: ILineageNode
): [string, ReadonlyPartialJSONObject] | null {
  if (node.withheld || node.facts.deleted) {
    return null;
  }
  const [model, version] = node.name.split(' ');
  switch (node.type) {
    case 'version':
      return [CommandIDs.openVersion, { model, version, tab: 'lineage' }];
    case 'model':
      return [CommandIDs.openModel, { model }];
    case 'endpoint':
      return [CommandIDs.openEndpoint, { endpoint: node.name }];
    default:
      return null;
  }
}

function shown(key: string, value: unknown): string {
  if (TIMES.has(key) && typeof value === 'number') {
    return when(value);
  }
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function Chosen(props: { node: ILineageNode }): React.ReactElement {
  const { trans, run } = useServices();
  const { node } = props;
  const page = pageOf(node);
  return (
    <section
      className="jp-modelserve-section"
      aria-label={trans.__('What is chosen')}
    >
      <div className="jp-modelserve-row">
        <h4 className="jp-modelserve-heading">
          {node.withheld ? trans.__('You may not see this one.') : node.name}
        </h4>
        {page && (
          <Button onClick={() => void run(page[0], page[1])}>
            {trans.__('Open')}
          </Button>
        )}
      </div>
      <Facts
        facts={Object.entries(node.facts)
          .filter(([, value]) => value !== '' && value !== null)
          .map(([key, value]) => [key, shown(key, value)])}
      />
    </section>
  );
}

/** The data upstream: of training and of evaluation (REQ-083), of the runs of a copy's source as well. */
function Datasets(props: { lineage: ILineage }): React.ReactElement {
  const { trans } = useServices();
  const { nodes, edges } = props.lineage;
  const uses = (id: string) =>
    edges
      .filter(each => each.source === id)
      .map(each =>
        each.relation === 'evaluated'
          ? trans.__('evaluation')
          : String(each.facts.context ?? '')
      );
  const text = (value: unknown) => String(value ?? '') || '–';
  return (
    <Section title={trans.__('Upstream datasets')}>
      <Table
        label={trans.__('Upstream datasets')}
        head={[
          trans.__('Dataset'),
          trans.__('Used for'),
          trans.__('Source'),
          trans.__('Rows'),
          trans.__('Digest')
        ]}
        rows={nodes
          .filter(each => each.type === 'dataset')
          .map(each => [
            each.name,
            text([...new Set(uses(each.id))].filter(Boolean).join(', ')),
            text(each.facts.source_type),
            typeof each.facts.rows === 'number'
              ? each.facts.rows.toLocaleString()
              : '–',
            text(each.facts.content_sha256 ?? each.facts.digest)
          ])}
        none={trans.__(
          'No dataset is known. Give one with %register --dataset, or log one in the run.'
        )}
      />
    </Section>
  );
}

/** The picture: what came from what, from left to right. Places come with the answer. */
export function Picture(props: {
  lineage: ILineage;
  label: string;
}): React.ReactElement {
  const { lineage, label } = props;
  const { trans } = useServices();
  const [chosen, setChosen] = React.useState('');
  const nodes = new Map(lineage.nodes.map(each => [each.id, each]));
  const most = (key: 'column' | 'row') =>
    1 + Math.max(0, ...lineage.nodes.map(each => each[key]));
  const width =
    most('column') * (BOX.width + BOX.across) - BOX.across + 2 * BOX.edge;
  const height =
    most('row') * (BOX.height + BOX.down) - BOX.down + 2 * BOX.edge;
  const node = nodes.get(chosen);
  return (
    <>
      <div className="jp-modelserve-lineage" tabIndex={-1}>
        <svg
          role="group"
          aria-label={label}
          width={width}
          height={height}
          viewBox={`0 0 ${width} ${height}`}
        >
          {lineage.edges.map(edge => {
            const [from, to] = [nodes.get(edge.source), nodes.get(edge.target)];
            return from && to ? (
              <Edge
                key={`${edge.source} ${edge.relation} ${edge.target}`}
                edge={edge}
                from={from}
                to={to}
              />
            ) : null;
          })}
          {lineage.nodes.map(each => (
            <Box
              key={each.id}
              node={each}
              focus={lineage.focus.includes(each.id)}
              chosen={each.id === chosen}
              onChoose={() => setChosen(each.id === chosen ? '' : each.id)}
            />
          ))}
        </svg>
      </div>
      {lineage.truncated && (
        <p className="jp-modelserve-hint">
          {trans.__('There is more than is shown here.')}
        </p>
      )}
      {node && <Chosen node={node} />}
    </>
  );
}

/** Where a version came from, and what names, copies and serves it (REQ-083). */
export function LineageGraph(props: {
  model: string;
  version: string;
}): React.ReactElement {
  const { trans, client, models, endpoints } = useServices();
  const changed = useSignal(models.changed) + useSignal(endpoints.changed);
  const [history, setHistory] = React.useState(false);
  const { model, version } = props;
  const answer = useAnswer(
    () =>
      client.call<ILineage>('GET /models/{name}/versions/{version}/lineage', {
        path: { name: model, version },
        query: { history: String(history) }
      }),
    [client, model, version, history, changed]
  );
  return (
    <>
      <label className="jp-modelserve-inline">
        <input
          type="checkbox"
          checked={history}
          onChange={event => setHistory(event.target.checked)}
        />
        {trans.__('Show what held once')}
      </label>
      <Answer answer={answer}>
        {lineage => (
          <>
            <Picture
              lineage={lineage}
              label={trans.__('Lineage of %1 version %2', model, version)}
            />
            <Datasets lineage={lineage} />
          </>
        )}
      </Answer>
    </>
  );
}
