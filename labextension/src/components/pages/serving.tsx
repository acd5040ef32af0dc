import * as React from 'react';

import type { IEndpoint, IVersionStatus } from '../../api';
import { CommandIDs } from '../../commands/ids';
import {
  answers,
  endpointBadge,
  environmentText,
  selectorText,
  versionBadge
} from '../../model/states';
import { Copyable } from '../address';
import { Badge } from '../badge';
import { useServices } from '../context';
import { Button, Facts, Section } from '../controls';
import { Failure, Phases } from '../progress';
import { Tabs } from '../tabs';
import { Compute } from './compute';
import { Events } from './events';
import { Logs } from './logs';
import { Query } from './query';

function Details(props: { version: IVersionStatus }): React.ReactElement {
  const { trans } = useServices();
  const { version } = props;
  const { environment } = version;
  return (
    <>
      {version.failure && <Failure failure={version.failure} />}
      <Facts
        facts={[
          [
            trans.__('State'),
            <Badge key="state" badge={versionBadge(version.state, trans)} />
          ],
          [
            trans.__('Replicas'),
            trans.__(
              '%1 of %2 ready',
              String(version.ready_replicas),
              String(version.replicas)
            )
          ],
          [trans.__('Trial prediction'), version.verdict ?? '–'],
          [trans.__('Restarts'), String(version.restarts)],
          [trans.__('Environment'), environmentText(environment, trans)]
        ]}
      />
      <Phases phases={version.phases} ended={version.state === 'READY'} />
    </>
  );
}

function VersionTab(props: {
  endpoint: IEndpoint;
  version: IVersionStatus;
}): React.ReactElement {
  const { trans } = useServices();
  const { endpoint, version } = props;
  const { name } = endpoint.spec;
  return (
    <>
      <Tabs
        label={trans.__('About version %1', version.version)}
        tabs={[
          {
            id: 'details',
            label: trans.__('Details'),
            content: () => <Details version={version} />
          },
          {
            id: 'logs',
            label: trans.__('Logs'),
            content: () => <Logs endpoint={name} version={version} />
          },
          {
            id: 'events',
            label: trans.__('Version Events'),
            content: () => <Events endpoint={endpoint} version={version} />
          }
        ]}
      />
      <Section title={trans.__('Call the model')}>
        <Query
          model={version.model}
          version={version.version}
          endpoint={name}
          ready={answers(version.state)}
        />
      </Section>
    </>
  );
}

function Versions(props: { endpoint: IEndpoint }): React.ReactElement {
  const { trans } = useServices();
  const { endpoint } = props;
  const { spec, status } = endpoint;
  const urls = [
    ...new Set([...status.urls, ...status.versions.flatMap(each => each.urls)])
  ];
  const several = new Set(status.versions.map(each => each.model)).size > 1;
  return (
    <>
      <Section title={trans.__('Model URLs')}>
        <ul className="jp-modelserve-urls" aria-label={trans.__('Model URLs')}>
          {urls.map(url => (
            <li key={url}>
              <Copyable text={url} label={trans.__('Copy %1', url)} />
            </li>
          ))}
        </ul>
      </Section>
      {status.versions.length === 0 ? (
        <p className="jp-modelserve-message">
          {status.service_message ||
            trans.__('%1 selects no version now.', spec.name)}
        </p>
      ) : (
        <Tabs
          vertical
          label={trans.__('Versions of %1', spec.name)}
          tabs={status.versions.map(version => ({
            id: `${version.model}/${version.version}/${version.entity}`,
            label: (
              <span className="jp-modelserve-versionTab">
                <span>
                  {several
                    ? trans.__('%1, version %2', version.model, version.version)
                    : trans.__('Version %1', version.version)}
                </span>
                {version.labels.map(each => (
                  <span key={each} className="jp-modelserve-label">
                    {each}
                  </span>
                ))}
                <Badge badge={versionBadge(version.state, trans)} />
              </span>
            ),
            content: () => <VersionTab endpoint={endpoint} version={version} />
          }))}
        />
      )}
    </>
  );
}

/** An endpoint as the serving page shows it: state, versions, events, compute. */
export function EndpointView(props: {
  endpoint: IEndpoint;
  tab?: string;
  onTab?: (tab: string) => void;
}): React.ReactElement {
  const { trans, run } = useServices();
  const { endpoint } = props;
  const { spec, status } = endpoint;
  const message = status.update_message || status.service_message;
  const selected = spec.entities
    .map(each => {
      const what = `${each.model}, ${selectorText(each.selector, trans)}`;
      return spec.entities.length > 1
        ? trans.__('%1 (%2%)', what, String(each.traffic))
        : what;
    })
    .join('; ');
  return (
    <>
      <div className="jp-modelserve-servingHead" role="status">
        <span className="jp-modelserve-inline">
          {trans.__('Status:')}
          <Badge badge={endpointBadge(endpoint, trans)} />
        </span>
        <span className="jp-modelserve-hint">{selected}</span>
        {message && message !== 'Ready' && (
          <span className="jp-modelserve-hint">{message}</span>
        )}
        <span className="jp-modelserve-pageActions">
          <Button
            onClick={() => void run(CommandIDs.insert, { endpoint: spec.name })}
          >
            {trans.__('Insert into notebook')}
          </Button>
          <Button
            warn
            disabled={endpoint.deleting}
            onClick={() => void run(CommandIDs.stop, { endpoint: spec.name })}
          >
            {endpoint.deleting ? trans.__('Stopping') : trans.__('Stop')}
          </Button>
        </span>
      </div>
      <Tabs
        label={trans.__('Serving of %1', spec.name)}
        active={props.tab}
        onChange={props.onTab}
        tabs={[
          {
            id: 'versions',
            label: trans.__('Model Versions'),
            content: () => <Versions endpoint={endpoint} />
          },
          {
            id: 'events',
            label: trans.__('Model Events'),
            content: () => <Events endpoint={endpoint} />
          },
          {
            id: 'compute',
            label: trans.__('Compute Settings'),
            content: () => <Compute endpoint={endpoint} />
          }
        ]}
      />
    </>
  );
}

/** The Serving tab of a model: the button that enables it, or what serves it. */
export function Serving(props: {
  model: string;
  endpoints: IEndpoint[];
}): React.ReactElement {
  const { trans, run } = useServices();
  const { model, endpoints } = props;
  const [chosen, setChosen] = React.useState('');
  if (endpoints.length === 0) {
    return (
      <div className="jp-modelserve-message">
        <p>
          {trans.__(
            'Not enabled. Serving gives each version an address that answers requests.'
          )}
        </p>
        <Button accept onClick={() => void run(CommandIDs.serve, { model })}>
          {trans.__('Enable serving')}
        </Button>
      </div>
    );
  }
  const endpoint =
    endpoints.find(each => each.spec.name === chosen) ?? endpoints[0];
  return (
    <>
      {endpoints.length > 1 && (
        <label className="jp-modelserve-inline">
          {trans.__('Endpoint:')}
          <select
            className="jp-modelserve-input"
            value={endpoint.spec.name}
            onChange={event => setChosen(event.target.value)}
          >
            {endpoints.map(each => (
              <option key={each.spec.name}>{each.spec.name}</option>
            ))}
          </select>
        </label>
      )}
      <EndpointView key={endpoint.spec.name} endpoint={endpoint} />
    </>
  );
}
