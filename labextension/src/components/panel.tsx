import { refreshIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import type { IEndpoint, IModelServeModel, ViewState } from '../tokens';
import { useTranslation } from './context';
import { EndpointCard } from './endpoint';
import { InstanceCard } from './instance';
import { Lesson } from './lesson';

function Endpoints(props: { endpoints: IEndpoint[] }): React.ReactElement {
  const trans = useTranslation();
  const { endpoints } = props;
  if (endpoints.length === 0) {
    return (
      <div className="jp-modelserve-message">
        <p>{trans.__('Nothing is served yet.')}</p>
        <Lesson />
      </div>
    );
  }
  const heading = 'jp-modelserve-endpoints-heading';
  return (
    <section aria-labelledby={heading}>
      <h3 id={heading} className="jp-modelserve-heading">
        {trans.__('Endpoints (%1)', String(endpoints.length))}
      </h3>
      <ul className="jp-modelserve-endpoints" aria-labelledby={heading}>
        {endpoints.map(endpoint => (
          <EndpointCard key={endpoint.spec.name} endpoint={endpoint} />
        ))}
      </ul>
    </section>
  );
}

function Stopped(props: { start: () => void }): React.ReactElement {
  const trans = useTranslation();
  return (
    <div className="jp-modelserve-message">
      <p>{trans.__('Model serving is not running.')}</p>
      <button
        className="jp-modelserve-button jp-mod-accept"
        onClick={props.start}
      >
        {trans.__('Start')}
      </button>
      <p className="jp-modelserve-hint">
        {trans.__('It also starts by itself when a notebook serves a model:')}
      </p>
      <Lesson />
    </div>
  );
}

function Trouble(props: {
  message: string;
  hint: string;
  retry: () => void;
}): React.ReactElement {
  const trans = useTranslation();
  return (
    <div className="jp-modelserve-message" role="alert">
      <p className="jp-modelserve-error">{props.message}</p>
      {props.hint && <p className="jp-modelserve-hint">{props.hint}</p>}
      <button className="jp-modelserve-button" onClick={props.retry}>
        {trans.__('Try again')}
      </button>
    </div>
  );
}

function Body(props: {
  model: IModelServeModel;
  state: ViewState;
}): React.ReactElement {
  const trans = useTranslation();
  const { model, state } = props;
  switch (state.kind) {
    case 'loading':
      return <p className="jp-modelserve-message">{trans.__('Looking…')}</p>;
    case 'starting':
      return (
        <p className="jp-modelserve-message">
          {trans.__('Starting model serving. This takes a few seconds…')}
        </p>
      );
    case 'stopped':
      return <Stopped start={() => void model.start()} />;
    case 'error':
      return (
        <Trouble
          message={state.message}
          hint={state.hint}
          retry={() => void model.refresh()}
        />
      );
    case 'running':
      return (
        <>
          <InstanceCard instance={state.instance} />
          <Endpoints endpoints={state.endpoints} />
        </>
      );
  }
}

/** The whole panel. */
export function Panel(props: {
  model: IModelServeModel;
  state: ViewState;
}): React.ReactElement {
  const trans = useTranslation();
  const { model, state } = props;
  return (
    <>
      <header className="jp-modelserve-header">
        <h2>{trans.__('Model serving')}</h2>
        <button
          className="jp-modelserve-iconButton"
          aria-label={trans.__('Refresh')}
          title={trans.__('Refresh')}
          onClick={() => void model.refresh()}
        >
          <refreshIcon.react tag="span" width="16px" height="16px" />
        </button>
      </header>
      <div className="jp-modelserve-body" aria-live="polite">
        <Body model={model} state={state} />
      </div>
    </>
  );
}
