import * as React from 'react';

import type { IPage } from '../../commands/shared';
import { useServices, useSignal } from '../context';
import { Button } from '../controls';
import { EndpointPage } from './endpoint';
import { ModelPage } from './model';
import { QueryPage } from './query';
import { VersionPage } from './version';

/** Any page. While the instance does not run, it says so and offers to start it; what was open stays open. */
export function PageView(props: {
  page: IPage;
  onTab: (tab: string) => void;
}): React.ReactElement {
  const { trans, status } = useServices();
  useSignal(status.stateChanged);
  const { page, onTab } = props;
  const { state } = status;
  if (state.kind === 'stopped' || state.kind === 'starting') {
    return (
      <div className="jp-modelserve-message" role="status">
        <p>
          {state.kind === 'starting'
            ? trans.__('Starting model serving. This takes a few seconds…')
            : trans.__('Model serving is not running.')}
        </p>
        {state.kind === 'stopped' && (
          <Button accept onClick={() => void status.start()}>
            {trans.__('Start')}
          </Button>
        )}
      </div>
    );
  }
  return (
    <>
      {state.kind === 'error' && (
        <p className="jp-modelserve-banner" role="alert">
          {state.message} {state.hint}
        </p>
      )}
      {page.kind === 'model' && (
        <ModelPage name={page.name} tab={page.tab} onTab={onTab} />
      )}
      {page.kind === 'version' && (
        <VersionPage
          name={page.name}
          version={page.version}
          tab={page.tab}
          onTab={onTab}
        />
      )}
      {page.kind === 'endpoint' && (
        <EndpointPage name={page.name} tab={page.tab} onTab={onTab} />
      )}
      {page.kind === 'query' && <QueryPage endpoint={page.name} />}
    </>
  );
}
