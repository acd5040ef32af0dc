import * as React from 'react';

import type { INotebookRun } from '../../api';
import { useAnswer, useServices, useSignal } from '../context';
import { when } from '../controls';
import { Part } from './sections';

const SHOWN = 5;

function failure(run: INotebookRun): string {
  const { cell, number, heading, error, message } = (run.failed ??
    {}) as Record<string, unknown>;
  const where = [cell || number, heading && `(${String(heading)})`]
    .filter(Boolean)
    .join(' ');
  return [where, error, message].filter(Boolean).join(': ');
}

/** Notebooks that `jupyter modelserve run` ran: the newest, with what failed. Nothing while there is none. */
export function NotebookRuns(): React.ReactElement | null {
  const { trans, client, status } = useServices();
  useSignal(status.stateChanged);
  const { state } = status;
  const newest = state.kind === 'running' ? state.instance.notebook_runs : 0;
  const { value } = useAnswer(
    async () =>
      newest
        ? await client.call<{ runs: INotebookRun[] }>('GET /notebook-runs', {
            query: { limit: SHOWN }
          })
        : { runs: [] },
    [client, newest]
  );
  if (!value || value.runs.length === 0) {
    return null;
  }
  const words: Record<string, string> = {
    running: trans.__('running'),
    succeeded: trans.__('succeeded'),
    failed: trans.__('failed')
  };
  return (
    <Part id="runs" title={trans.__('Notebook runs')}>
      <ul className="jp-modelserve-list">
        {value.runs.map(run => (
          <li key={run.id} title={run.output}>
            <span className="jp-modelserve-row">
              <span>{run.notebook.split('/').pop()}</span>
              <span
                className={run.state === 'failed' ? 'jp-modelserve-error' : ''}
              >
                {words[run.state]}
              </span>
            </span>
            <span className="jp-modelserve-hint">
              {when(run.ended_at || run.started_at)}
            </span>
            {run.failed && (
              <span className="jp-modelserve-error">{failure(run)}</span>
            )}
          </li>
        ))}
      </ul>
    </Part>
  );
}
