import * as React from 'react';

import { endpointBadge } from '../../model/states';
import { Badge } from '../badge';
import { useServices, useSignal } from '../context';
import { PageHead } from './shared';
import { EndpointView } from './serving';

/** One endpoint as a page of its own. */
export function EndpointPage(props: {
  name: string;
  tab: string;
  onTab: (tab: string) => void;
}): React.ReactElement {
  const { trans, endpoints, status } = useServices();
  useSignal(endpoints.changed);
  const { name, tab, onTab } = props;
  const endpoint = endpoints.get(name);
  if (!endpoint) {
    return (
      <p className="jp-modelserve-message" role="status">
        {status.state.kind === 'loading'
          ? trans.__('Looking…')
          : trans.__('Nothing is served under the name %1 any more.', name)}
      </p>
    );
  }
  return (
    <div className="jp-modelserve-doc">
      <PageHead
        title={name}
        subtitle={trans.__('Endpoint')}
        state={<Badge badge={endpointBadge(endpoint, trans)} />}
      />
      <EndpointView endpoint={endpoint} tab={tab} onTab={onTab} />
    </div>
  );
}
