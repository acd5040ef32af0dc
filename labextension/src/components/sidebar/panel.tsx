import { addIcon, newFolderIcon, refreshIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import { CommandIDs } from '../../commands/ids';
import { stateBadge } from '../../model/states';
import type { ViewState } from '../../tokens';
import { Copyable } from '../address';
import { Badge } from '../badge';
import { useServices, useSignal } from '../context';
import { Button, IconButton } from '../controls';
import { Lesson } from '../lesson';
import { NotebookRuns } from './runs';
import { Activity, Endpoints, Models } from './sections';

function Instance(props: { state: ViewState }): React.ReactElement {
  const { trans } = useServices();
  const { state } = props;
  return (
    <section
      className="jp-modelserve-instance"
      aria-label={trans.__('Instance')}
    >
      <div className="jp-modelserve-row">
        <span className="jp-modelserve-title">{trans.__('Instance')}</span>
        <Badge badge={stateBadge(state, trans)} />
      </div>
      {state.kind === 'running' && (
        <Copyable
          text={state.instance.url}
          label={trans.__('Copy the address')}
        />
      )}
    </section>
  );
}

function Stopped(props: { start: () => void }): React.ReactElement {
  const { trans } = useServices();
  return (
    <div className="jp-modelserve-message">
      <p>{trans.__('Model serving is not running.')}</p>
      <Button accept onClick={props.start}>
        {trans.__('Start')}
      </Button>
      <p className="jp-modelserve-hint">
        {trans.__('It also starts by itself when a notebook serves a model:')}
      </p>
      <Lesson />
    </div>
  );
}

function Trouble(props: {
  message: string;
  hint: string;
  retry: () => void;
}): React.ReactElement {
  const { trans } = useServices();
  return (
    <div className="jp-modelserve-message" role="alert">
      <p className="jp-modelserve-error">{props.message}</p>
      {props.hint && <p className="jp-modelserve-hint">{props.hint}</p>}
      <Button onClick={props.retry}>{trans.__('Try again')}</Button>
    </div>
  );
}

function Body(props: { state: ViewState }): React.ReactElement {
  const { trans, status, models } = useServices();
  useSignal(models.changed);
  const { state } = props;
  const lists = (
    <>
      <Models />
      <Endpoints />
      <Activity />
      <NotebookRuns />
    </>
  );
  switch (state.kind) {
    case 'loading':
      return <p className="jp-modelserve-message">{trans.__('Looking…')}</p>;
    case 'starting':
      return (
        <p className="jp-modelserve-message" role="status">
          {trans.__('Starting model serving. This takes a few seconds…')}
        </p>
      );
    case 'stopped':
      return <Stopped start={() => void status.start()} />;
    case 'error':
      return (
        <>
          <Trouble
            message={state.message}
            hint={state.hint}
            retry={() => void status.refresh()}
          />
          {models.list.known && lists}
        </>
      );
    case 'running':
      return (
        <>
          <Instance state={state} />
          {lists}
        </>
      );
  }
}

/** The whole panel. */
export function Panel(): React.ReactElement {
  const { trans, status, run } = useServices();
  useSignal(status.stateChanged);
  return (
    <>
      <header className="jp-modelserve-header">
        <h2>{trans.__('Model serving')}</h2>
        <span>
          <IconButton
            icon={addIcon}
            label={trans.__('Register a model')}
            onClick={() => void run(CommandIDs.register)}
          />
          <IconButton
            icon={newFolderIcon}
            label={trans.__('New catalog or schema')}
            onClick={() => void run(CommandIDs.createGroup)}
          />
          <IconButton
            icon={refreshIcon}
            label={trans.__('Refresh')}
            onClick={() => void run(CommandIDs.refresh)}
          />
        </span>
      </header>
      <div className="jp-modelserve-body">
        <Body state={status.state} />
      </div>
    </>
  );
}
