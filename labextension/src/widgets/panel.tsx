import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import * as React from 'react';

import { ErrorBoundary } from '../components/boundary';
import { TranslationContext } from '../components/context';
import { Panel } from '../components/panel';
import { modelserveIcon } from '../icons';
import type { StatusStore } from '../model/store';

/** Identifier of the panel, also for restoring the layout. */
export const PANEL_ID = 'jp-modelserve-panel';

/** The panel in the side bar: shows the store and tells it when somebody watches. */
export class ModelServePanel extends ReactWidget {
  constructor(
    private readonly store: StatusStore,
    private readonly trans: TranslationBundle
  ) {
    super();
    this.id = PANEL_ID;
    this.addClass('jp-modelserve-panel');
    this.title.icon = modelserveIcon;
    this.title.caption = trans.__('Model serving');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('Model serving'));
  }

  protected onAfterShow(message: Message): void {
    super.onAfterShow(message);
    void this.store.setWatched(true);
  }

  protected onAfterHide(message: Message): void {
    super.onAfterHide(message);
    void this.store.setWatched(false);
  }

  protected onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    if (this.isVisible) {
      void this.store.setWatched(true);
    }
  }

  protected onBeforeDetach(message: Message): void {
    void this.store.setWatched(false);
    super.onBeforeDetach(message);
  }

  protected render(): React.ReactElement {
    return (
      <TranslationContext.Provider value={this.trans}>
        <ErrorBoundary trans={this.trans}>
          <UseSignal signal={this.store.stateChanged}>
            {() => <Panel model={this.store} state={this.store.state} />}
          </UseSignal>
        </ErrorBoundary>
      </TranslationContext.Provider>
    );
  }
}
