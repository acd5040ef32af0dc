import {
  caretDownIcon,
  caretRightIcon,
  ellipsesIcon
} from '@jupyterlab/ui-components';
import * as React from 'react';

import type { IEndpoint } from '../../api';
import { CommandIDs } from '../../commands/ids';
import { type ITask, told } from '../../model/activity';
import { score } from '../../model/magics';
import type { ILoad } from '../../model/metrics';
import { endpointBadge, versionBadge } from '../../model/states';
import { rowsOf } from '../../model/tree';
import { Badge } from '../badge';
import { useServices, useSignal } from '../context';
import { Button } from '../controls';
import { Lesson } from '../lesson';
import { Progress } from '../progress';
import { Message, Selected, VersionList } from '../served';
import { ModelTree } from './tree';

/** A part of the side bar that opens and closes; which is kept over a reload. */
export function Part(props: {
  id: string;
  title: string;
  count?: number;
  grow?: boolean;
  children: React.ReactNode;
}): React.ReactElement {
  const { view } = useServices();
  useSignal(view.changed);
  const id = React.useId();
  const key = `part:${props.id}`;
  const open = !view.toggled.has(key);
  const Caret = open ? caretDownIcon : caretRightIcon;
  const grow = open && props.grow ? 'jp-mod-grow' : '';
  return (
    <section
      className={`jp-modelserve-part ${grow}`.trim()}
      aria-labelledby={id}
    >
      <h3 className="jp-modelserve-partHead">
        <button
          id={id}
          type="button"
          aria-expanded={open}
          onClick={() => view.toggle(key)}
        >
          <Caret.react tag="span" width="16px" height="16px" />
          {props.title}
          {props.count !== undefined && (
            <span className="jp-modelserve-count">{props.count}</span>
          )}
        </button>
      </h3>
      {open && <div className="jp-modelserve-partBody">{props.children}</div>}
    </section>
  );
}

/** The registered models: search and tree, or how to get a first one. */
export function Models(): React.ReactElement {
  const { trans, models, endpoints, view, run } = useServices();
  useSignal(view.changed);
  useSignal(endpoints.changed);
  useSignal(models.changed);
  const { list } = models;
  const rows = React.useMemo(
    () => rowsOf(list.models, view.toggled, view.filter, list.groups),
    [list.models, list.groups, view.toggled, view.filter]
  );
  const search = trans.__('Search models, aliases, stages');
  return (
    <Part
      id="models"
      title={trans.__('Models')}
      count={list.known ? list.models.length : undefined}
      grow
    >
      {list.problem && (
        <p className="jp-modelserve-message" role="alert">
          {list.problem}
        </p>
      )}
      {list.known && list.models.length === 0 ? (
        <div className="jp-modelserve-message">
          <p>{trans.__('No model is registered yet.')}</p>
          <Button accept onClick={() => void run(CommandIDs.register)}>
            {trans.__('Register a logged model')}
          </Button>
          <p className="jp-modelserve-hint">
            {trans.__('Or do it from a notebook:')}
          </p>
          <Lesson />
        </div>
      ) : list.known ? (
        <>
          <input
            type="search"
            className="jp-modelserve-input jp-modelserve-search"
            placeholder={search}
            aria-label={search}
            value={view.filter}
            onChange={event => view.search(event.target.value)}
          />
          {rows.length > 0 ? (
            <ModelTree rows={rows} />
          ) : (
            <p className="jp-modelserve-message" role="status">
              {trans.__('No model, alias or stage is called so.')}
            </p>
          )}
        </>
      ) : (
        !list.problem && (
          <p className="jp-modelserve-message">{trans.__('Looking…')}</p>
        )
      )}
    </Part>
  );
}

const MILLISECONDS = 1000;

function Figures(props: { load: ILoad | null }): React.ReactElement | null {
  const { trans } = useServices();
  const { load } = props;
  if (!load) {
    return null;
  }
  const p95 =
    load.p95 === null
      ? ''
      : trans.__(
          ', p95 %1 ms',
          (load.p95 * MILLISECONDS).toPrecision(2).replace(/\.0$/, '')
        );
  const rate = load.perSecond.toFixed(load.perSecond < 10 ? 1 : 0);
  return (
    <p className="jp-modelserve-hint jp-modelserve-figures">
      {trans.__('%1 requests/s%2', rate, p95)}
    </p>
  );
}

function EndpointItem(props: {
  endpoint: IEndpoint;
  load: ILoad | null;
}): React.ReactElement {
  const services = useServices();
  const { trans, run } = services;
  const { spec } = props.endpoint;
  const id = React.useId();
  return (
    <li
      className="jp-modelserve-endpoint"
      aria-labelledby={id}
      data-modelserve-kind="endpoint"
      data-modelserve-endpoint={spec.name}
      draggable
      onDragStart={event => services.drag(score(spec.name), event)}
    >
      <div className="jp-modelserve-row">
        <button
          id={id}
          type="button"
          className="jp-modelserve-link jp-modelserve-title"
          title={trans.__('Open endpoint %1', spec.name)}
          onClick={() =>
            void run(CommandIDs.openEndpoint, { endpoint: spec.name })
          }
        >
          {spec.name}
        </button>
        <Badge badge={endpointBadge(props.endpoint, trans)} />
        <button
          type="button"
          className="jp-modelserve-iconButton"
          aria-label={trans.__('Actions for %1', spec.name)}
          title={trans.__('Actions')}
          onClick={event =>
            event.currentTarget.dispatchEvent(
              new MouseEvent('contextmenu', {
                bubbles: true,
                cancelable: true,
                clientX: event.clientX,
                clientY: event.clientY
              })
            )
          }
        >
          <ellipsesIcon.react tag="span" width="16px" height="16px" />
        </button>
      </div>
      <Selected endpoint={props.endpoint} />
      <Message endpoint={props.endpoint} />
      <Figures load={props.load} />
      <VersionList endpoint={props.endpoint} />
    </li>
  );
}

/** What is served. */
export function Endpoints(): React.ReactElement {
  const { trans, endpoints, metrics, models } = useServices();
  useSignal(endpoints.changed);
  useSignal(metrics.changed);
  const some = endpoints.all.length > 0;
  React.useEffect(() => {
    const who = {};
    void metrics.setWatched(some, who);
    return () => void metrics.setWatched(false, who);
  }, [metrics, some]);
  return (
    <Part
      id="endpoints"
      title={trans.__('Endpoints')}
      count={endpoints.all.length}
    >
      {some ? (
        <ul
          className="jp-modelserve-endpoints"
          aria-label={trans.__('Endpoints')}
        >
          {endpoints.all.map(each => (
            <EndpointItem
              key={each.spec.name}
              endpoint={each}
              load={metrics.of(each)}
            />
          ))}
        </ul>
      ) : (
        <p className="jp-modelserve-message">
          {trans.__('Nothing is served yet.')}{' '}
          {models.list.models.length > 0 &&
            trans.__('Open a model and press Enable serving.')}
        </p>
      )}
    </Part>
  );
}

function TaskItem(props: { task: ITask }): React.ReactElement {
  const { trans, run } = useServices();
  const { task } = props;
  const badge =
    task.state === 'failed'
      ? ({ text: trans.__('Failed'), level: 'bad' } as const)
      : task.state === 'done'
        ? ({ text: trans.__('Done'), level: 'good' } as const)
        : task.phases.length > 0
          ? versionBadge(task.message, trans)
          : ({ text: trans.__('Running'), level: 'busy' } as const);
  return (
    <li className="jp-modelserve-task">
      <div className="jp-modelserve-row">
        {task.endpoint ? (
          <button
            type="button"
            className="jp-modelserve-link"
            onClick={() =>
              void run(CommandIDs.openEndpoint, {
                endpoint: task.endpoint ?? ''
              })
            }
          >
            {task.title}
          </button>
        ) : (
          <span>{task.title}</span>
        )}
        <Badge badge={badge} />
      </div>
      <Progress phases={task.phases} />
      {task.state === 'failed' && (
        <p className="jp-modelserve-hint">{told(task)}</p>
      )}
    </li>
  );
}

/** What happens at this moment. */
export function Activity(): React.ReactElement {
  const { trans, activity } = useServices();
  useSignal(activity.changed);
  const { tasks } = activity;
  return (
    <Part id="activity" title={trans.__('Activity')} count={tasks.length}>
      {tasks.length > 0 ? (
        <>
          <ul
            className="jp-modelserve-tasks"
            aria-label={trans.__('Activity')}
            aria-live="polite"
          >
            {tasks.map(each => (
              <TaskItem key={each.id} task={each} />
            ))}
          </ul>
          {tasks.some(each => each.state !== 'running') && (
            <div className="jp-modelserve-message">
              <Button onClick={() => activity.clear()}>
                {trans.__('Clear finished')}
              </Button>
            </div>
          )}
        </>
      ) : (
        <p className="jp-modelserve-message">
          {trans.__('Nothing is under way.')}
        </p>
      )}
    </Part>
  );
}
