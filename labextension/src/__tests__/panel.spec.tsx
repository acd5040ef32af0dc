import { Clipboard } from '@jupyterlab/apputils';
import * as React from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { type ISignal, Signal } from '@lumino/signaling';

import { Panel } from '../components/panel';
import type { IModelServeModel, IStatus, ViewState } from '../tokens';
import { endpoint, running, version } from './samples';

class FakeModel implements IModelServeModel {
  state: ViewState = { kind: 'loading' };
  refresh = jest.fn(async () => undefined);
  start = jest.fn(async () => undefined);
  readonly stateChanged: ISignal<this, ViewState> = new Signal(this);
}

function view(status: IStatus): ViewState {
  return {
    kind: 'running',
    instance: status.instance!,
    endpoints: status.endpoints
  };
}

describe('Panel', () => {
  let host: HTMLElement;
  let root: Root;
  let model: FakeModel;

  beforeAll(() => {
    (globalThis as Record<string, unknown>).IS_REACT_ACT_ENVIRONMENT = true;
  });

  beforeEach(() => {
    host = document.body.appendChild(document.createElement('div'));
    root = createRoot(host);
    model = new FakeModel();
  });

  afterEach(() => {
    React.act(() => root.unmount());
    host.remove();
  });

  function show(state: ViewState): void {
    React.act(() => root.render(<Panel model={model} state={state} />));
  }

  function button(name: string): HTMLButtonElement {
    const found = Array.from(host.querySelectorAll('button')).find(
      each =>
        each.textContent === name || each.getAttribute('aria-label') === name
    );
    if (!found) {
      throw new Error(`no button ${name} in ${host.innerHTML}`);
    }
    return found;
  }

  it('offers to start a stopped instance and teaches the magics', () => {
    show({ kind: 'stopped' });
    React.act(() => button('Start').click());
    expect(model.start).toHaveBeenCalledTimes(1);
    expect(host.textContent).toContain('%load_ext jupyter_modelserve');
    expect(host.textContent).toContain('%serve');
  });

  it('teaches the magics when nothing is served', () => {
    show(view(running([])));
    expect(host.textContent).toContain('Nothing is served yet');
    expect(host.textContent).toContain('%serve');
  });

  it('shows endpoints with state as text, versions, labels and address', () => {
    show(view(running([endpoint('iris-live')])));
    const card = host.querySelector('.jp-modelserve-endpoint')!;
    expect(card.textContent).toContain('iris-live');
    expect(card.textContent).toContain('Ready');
    expect(card.textContent).toContain('Version 2');
    expect(card.textContent).toContain('Champion');
    expect(card.textContent).toContain(
      '/serving-endpoints/iris-live/invocations'
    );
    expect(button('Copy the address of iris-live')).toBeTruthy();
  });

  it('shows a model once with the share of each of its versions', () => {
    const split = endpoint('fraud');
    split.spec.entities = ['7', '8'].map((value, index) => ({
      name: value,
      model: 'prod.ml.fraud',
      selector: { kind: 'version', value },
      traffic: index ? 10 : 90,
      workload_size: 'Small'
    }));
    show(view(running([split])));
    expect(host.textContent).toContain(
      'prod.ml.fraud: version 7 (90%), version 8 (10%)'
    );
  });

  it('names cause, hint and last log lines of a failure', () => {
    const failed = version({
      version: '3',
      state: 'FAILED',
      failure: {
        cause: 'missing module',
        message: 'xgboost is not installed',
        hint: 'Add it to pip_requirements',
        log_tail: ['ModuleNotFoundError: xgboost']
      }
    });
    show(
      view(
        running([
          endpoint('iris', {
            update: 'UPDATE_FAILED',
            versions: [version(), failed]
          })
        ])
      )
    );
    for (const text of [
      'Ready, update failed',
      'missing module',
      'xgboost is not installed',
      'Add it to pip_requirements',
      'ModuleNotFoundError'
    ]) {
      expect(host.textContent).toContain(text);
    }
  });

  it('shows the phase under way', () => {
    const loading = version({
      state: 'BUILDING',
      phases: [
        { name: 'resolve', seconds: 0.1, done: true },
        { name: 'environment', seconds: 12.3, done: false }
      ]
    });
    show(
      view(
        running([endpoint('iris', { service: 'PENDING', versions: [loading] })])
      )
    );
    expect(host.textContent).toContain('Building environment');
    expect(host.textContent).toContain('environment, 12 s');
  });

  it('shows an error as an alert with a way to try again', () => {
    show({ kind: 'error', message: 'No answer', hint: 'Wait' });
    expect(host.querySelector('[role=alert]')!.textContent).toContain(
      'No answer'
    );
    React.act(() => button('Try again').click());
    expect(model.refresh).toHaveBeenCalledTimes(1);
  });

  it('confirms a copied address for everybody', () => {
    const copy = jest.spyOn(Clipboard, 'copyToSystem').mockReturnValue();
    show(view(running([])));
    React.act(() => button('Copy the address').click());
    expect(copy).toHaveBeenCalledWith('http://127.0.0.1:8585');
    const spoken = Array.from(host.querySelectorAll('[role=status]'));
    expect(spoken.map(each => each.textContent)).toContain('Copied');
  });
});
