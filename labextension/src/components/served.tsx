import * as React from 'react';

import type { IEndpoint } from '../api';
import { reference } from '../model/magics';
import { versionBadge } from '../model/states';
import { Badge } from './badge';
import { useServices } from './context';
import { Failure, Progress } from './progress';

/** What an endpoint serves and how many replicas answer, in one line. */
export function Selected(props: { endpoint: IEndpoint }): React.ReactElement {
  const { trans } = useServices();
  const { spec, status } = props.endpoint;
  const replicas = status.versions.reduce(
    (sum, each) => sum + each.ready_replicas,
    0
  );
  const wanted = status.versions.reduce((sum, each) => sum + each.replicas, 0);
  return (
    <p className="jp-modelserve-hint">
      {spec.entities
        .map(each =>
          spec.entities.length > 1
            ? `${reference(each.model, each.selector)} ${each.traffic}%`
            : reference(each.model, each.selector)
        )
        .join(', ')}
      {wanted > 0 &&
        ` · ${trans._n('%2 of %1 replica', '%2 of %1 replicas', wanted, replicas)}`}
    </p>
  );
}

/** What there is to say about an endpoint that its versions do not say themselves. */
export function Message(props: {
  endpoint: IEndpoint;
}): React.ReactElement | null {
  const { status } = props.endpoint;
  const message = status.update_message || status.service_message;
  const told =
    message === 'Ready' ||
    status.versions.some(
      each => each.failure !== null || each.state !== 'READY'
    );
  return message && !told ? (
    <p className="jp-modelserve-hint">{message}</p>
  ) : null;
}

/** The versions of an endpoint: names, state, the step under way, why one failed. */
export function VersionList(props: {
  endpoint: IEndpoint;
}): React.ReactElement | null {
  const { trans } = useServices();
  const { versions } = props.endpoint.status;
  if (versions.length === 0) {
    return null;
  }
  return (
    <ul className="jp-modelserve-versions" aria-label={trans.__('Versions')}>
      {versions.map(version => {
        const badge = versionBadge(version.state, trans);
        return (
          <li key={`${version.model}/${version.version}/${version.entity}`}>
            <div className="jp-modelserve-row">
              <span className="jp-modelserve-versionName">
                {trans.__('Version %1', version.version)}
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
      })}
    </ul>
  );
}
