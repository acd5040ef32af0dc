import * as React from 'react';

import type { IEndpoint } from '../../api';
import { CommandIDs } from '../../commands/ids';
import { endpointBadge } from '../../model/states';
import { Copyable } from '../address';
import { Badge } from '../badge';
import { useServices, useSignal } from '../context';
import { Button } from '../controls';
import { Message, Selected, VersionList } from '../served';

function Head(props: {
  endpoint: IEndpoint;
  children?: React.ReactNode;
}): React.ReactElement {
  const { trans, run } = useServices();
  const { endpoint } = props;
  const { name } = endpoint.spec;
  return (
    <div className="jp-modelserve-cardHead">
      <button
        type="button"
        className="jp-modelserve-link jp-modelserve-title"
        title={trans.__('Open endpoint %1', name)}
        onClick={() => void run(CommandIDs.openEndpoint, { endpoint: name })}
      >
        {name}
      </button>
      <span role="status">
        <Badge badge={endpointBadge(endpoint, trans)} />
      </span>
      <span className="jp-modelserve-pageActions">{props.children}</span>
    </div>
  );
}

/** One endpoint, as `%serve` shows it. */
export function EndpointCard(props: { name: string }): React.ReactElement {
  const { trans, endpoints, run } = useServices();
  useSignal(endpoints.changed);
  const { name } = props;
  const endpoint = endpoints.get(name);
  if (!endpoint) {
    return (
      <p className="jp-modelserve-hint" role="status">
        {trans.__('%1 is not served now.', name)}
      </p>
    );
  }
  const [url] = endpoint.status.urls;
  return (
    <>
      <Head endpoint={endpoint}>
        <Button
          disabled={endpoint.status.service !== 'READY'}
          onClick={() => void run(CommandIDs.query, { endpoint: name })}
        >
          {trans.__('Send a request')}
        </Button>
        <Button
          warn
          disabled={endpoint.deleting}
          onClick={() => void run(CommandIDs.stop, { endpoint: name })}
        >
          {endpoint.deleting ? trans.__('Stopping') : trans.__('Stop')}
        </Button>
      </Head>
      <Selected endpoint={endpoint} />
      <Message endpoint={endpoint} />
      <VersionList endpoint={endpoint} />
      {url && <Copyable text={url} label={trans.__('Copy %1', url)} />}
    </>
  );
}

/** Every endpoint, as `%endpoints` shows them. */
export function EndpointsCard(): React.ReactElement {
  const { trans, endpoints } = useServices();
  useSignal(endpoints.changed);
  if (endpoints.all.length === 0) {
    return (
      <p className="jp-modelserve-hint">
        {trans.__('Nothing is served yet; begin with %serve.')}
      </p>
    );
  }
  return (
    <ul
      className="jp-modelserve-endpoints"
      aria-label={trans.__('All endpoints')}
    >
      {endpoints.all.map(each => (
        <li key={each.spec.name}>
          <Head endpoint={each} />
          <Selected endpoint={each} />
          <Message endpoint={each} />
        </li>
      ))}
    </ul>
  );
}
