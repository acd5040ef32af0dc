import * as React from 'react';

import type { IFailure, IPhase } from '../api';
import { phaseText } from '../model/states';
import { useTranslation } from './context';

/** Why something failed: one cause, a sentence, what to do next, and the last log lines. */
export function Failure(props: { failure: IFailure }): React.ReactElement {
  const trans = useTranslation();
  const { cause, message, hint, log_tail: log } = props.failure;
  return (
    <div className="jp-modelserve-failure">
      <p>
        <strong>{cause}</strong>
        {message ? ` – ${message}` : ''}
      </p>
      {hint && <p className="jp-modelserve-hint">{hint}</p>}
      {log.length > 0 && (
        <details>
          <summary>{trans.__('Last log lines')}</summary>
          <pre tabIndex={0}>{log.join('\n')}</pre>
        </details>
      )}
    </div>
  );
}

/** The step under way and how long it has taken, so that waiting has a face. */
export function Progress(props: {
  phases: IPhase[];
}): React.ReactElement | null {
  const trans = useTranslation();
  const current = props.phases.find(phase => !phase.done);
  if (!current) {
    return null;
  }
  const seconds = Math.round(current.seconds);
  return (
    <p className="jp-modelserve-hint">
      {trans.__(
        '%1, %2 s',
        current.detail || phaseText(current.name, trans),
        String(seconds)
      )}
    </p>
  );
}

/** All steps with their times. */
export function Phases(props: {
  phases: IPhase[];
  ended: boolean;
}): React.ReactElement {
  const trans = useTranslation();
  return (
    <ol className="jp-modelserve-phases" aria-label={trans.__('Steps')}>
      {props.phases.map(phase => (
        <li key={phase.name} data-done={phase.done}>
          <span>{phaseText(phase.name, trans)}</span>
          <span>
            {phase.done
              ? trans.__('%1 s', phase.seconds.toFixed(2))
              : props.ended
                ? ''
                : trans.__('%1 s so far', phase.seconds.toFixed(1))}
          </span>
          {phase.detail && (
            <span className="jp-modelserve-hint">{phase.detail}</span>
          )}
        </li>
      ))}
    </ol>
  );
}
