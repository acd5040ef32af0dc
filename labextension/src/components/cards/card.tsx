import * as React from 'react';

import { CommandIDs } from '../../commands/ids';
import { type ICard, isSame } from '../../model/cards';
import { useServices, useSignal } from '../context';
import { Button } from '../controls';
import { EndpointCard, EndpointsCard } from './endpoints';
import { ModelsCard } from './models';

function Live(props: { about: ICard }): React.ReactElement {
  const { about } = props;
  switch (about.kind) {
    case 'endpoint':
      return <EndpointCard name={about.name} />;
    case 'endpoints':
      return <EndpointsCard />;
    case 'models':
      return <ModelsCard />;
  }
}

/**
 * An output of a notebook as it is now; as it was, where the instance does not run, is another one, or cannot be asked.
 */
export function Card(props: {
  about: ICard;
  serverUrl: string;
  /** What the cell said when it ran. */
  recorded: React.ReactNode;
}): React.ReactElement {
  const { trans, status, run } = useServices();
  const { about, serverUrl, recorded } = props;
  useSignal(status.stateChanged);
  const before = React.useRef(false);
  const { state } = status;
  if (state.kind === 'running') {
    before.current = isSame(about.instance, state.instance.url, serverUrl);
  }
  const live = before.current && ['running', 'error'].includes(state.kind);
  return (
    <section
      className="jp-modelserve-card"
      aria-label={
        about.name
          ? trans.__('Live card of endpoint %1', about.name)
          : about.kind === 'models'
            ? trans.__('Live card of all models')
            : trans.__('Live card of all endpoints')
      }
    >
      {live ? <Live about={about} /> : recorded}
      {live && state.kind === 'error' && (
        <p className="jp-modelserve-hint" role="status">
          {trans.__('%1 This is what was known last.', state.message)}
        </p>
      )}
      {state.kind === 'stopped' && (
        <div className="jp-modelserve-row">
          <p className="jp-modelserve-hint" role="status">
            {trans.__(
              'As it was when the cell ran: model serving is not running now.'
            )}
          </p>
          <Button onClick={() => void run(CommandIDs.start)}>
            {trans.__('Start')}
          </Button>
        </div>
      )}
    </section>
  );
}
