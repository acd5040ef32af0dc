import * as React from 'react';

import { versionBadge } from '../model/states';
import type { IFailure, IPhase, IVersionStatus } from '../tokens';
import { Badge } from './badge';
import { useTranslation } from './context';

function Failure(props: { failure: IFailure }): React.ReactElement {
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
function Progress(props: { phases: IPhase[] }): React.ReactElement | null {
  const trans = useTranslation();
  const current = props.phases.find(phase => phase.done === false);
  if (!current) {
    return null;
  }
  const seconds = Math.round(current.seconds);
  return (
    <p className="jp-modelserve-hint">
      {trans.__('%1, %2 s', current.detail || current.name, String(seconds))}
    </p>
  );
}

/** One version that an endpoint serves or tries to serve. */
export function VersionRow(props: {
  version: IVersionStatus;
  showModel: boolean;
}): React.ReactElement {
  const trans = useTranslation();
  const { version, showModel } = props;
  const badge = versionBadge(version.state, trans);
  return (
    <li className="jp-modelserve-version">
      <div className="jp-modelserve-row">
        <span className="jp-modelserve-versionName">
          {showModel
            ? trans.__('%1, version %2', version.model, version.version)
            : trans.__('Version %1', version.version)}
          {version.labels.map(label => (
            <span key={label} className="jp-modelserve-label">
              {label}
            </span>
          ))}
        </span>
        <Badge badge={badge} />
      </div>
      {badge.level === 'busy' && <Progress phases={version.phases} />}
      {version.failure && <Failure failure={version.failure} />}
    </li>
  );
}
