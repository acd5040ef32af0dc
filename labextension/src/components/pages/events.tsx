import * as React from 'react';

import type { IEndpoint, IEvent, IVersionStatus } from '../../api';
import { useAnswer, useServices, useSignal } from '../context';
import { Table, when } from '../controls';
import { Answer } from './shared';

/** What happened to an endpoint, or to one of its versions, the newest first (REQ-045, REQ-046). */
export function Events(props: {
  endpoint: IEndpoint;
  version?: IVersionStatus;
}): React.ReactElement {
  const { trans, client, endpoints } = useServices();
  const changed = useSignal(endpoints.changed);
  const { endpoint, version } = props;
  const { name } = endpoint.spec;
  const answer = useAnswer(
    () =>
      client.call<{ events: IEvent[] }>('GET /endpoints/{name}/events', {
        path: { name }
      }),
    [client, name, changed]
  );
  return (
    <Answer answer={answer}>
      {({ events }) => (
        <Table
          label={
            version ? trans.__('Version Events') : trans.__('Model Events')
          }
          head={[
            trans.__('Time'),
            trans.__('Kind'),
            ...(version ? [] : [trans.__('Version')]),
            trans.__('What happened')
          ]}
          rows={events
            .filter(
              each =>
                !version ||
                (each.model === version.model &&
                  each.version === version.version)
            )
            .reverse()
            .map(each => [
              when(each.at),
              each.kind,
              ...(version ? [] : [each.version]),
              each.message
            ])}
          none={trans.__('Nothing has happened yet.')}
        />
      )}
    </Answer>
  );
}
