import { ReactWidget } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import * as React from 'react';

import { ErrorBoundary } from '../components/boundary';
import {
  type IServices,
  ServicesContext,
  TranslationContext
} from '../components/context';
import { Panel } from '../components/sidebar/panel';
import { modelserveIcon } from '../icons';
import type { StatusStore } from '../model/store';

/** Identifier of the panel, also for restoring the layout. */
export const PANEL_ID = 'jp-modelserve-panel';

/** A widget of ours: draws with the stores at hand, and tells the status store while somebody can see it. */
export abstract class WatchingWidget extends ReactWidget {
  constructor(
    protected readonly store: StatusStore,
    protected readonly services: IServices
  ) {
    super();
  }

  protected onAfterShow(message: Message): void {
    super.onAfterShow(message);
    void this.store.setWatched(true, this);
  }

  protected onAfterHide(message: Message): void {
    super.onAfterHide(message);
    void this.store.setWatched(false, this);
  }

  protected onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    if (this.isVisible) {
      void this.store.setWatched(true, this);
    }
  }

  protected onBeforeDetach(message: Message): void {
    void this.store.setWatched(false, this);
    super.onBeforeDetach(message);
  }

  /** The content. */
  protected abstract content(): React.ReactElement;

  protected render(): React.ReactElement {
    return (
      <TranslationContext.Provider value={this.services.trans}>
        <ErrorBoundary trans={this.services.trans}>
          <ServicesContext.Provider value={this.services}>
            {this.content()}
          </ServicesContext.Provider>
        </ErrorBoundary>
      </TranslationContext.Provider>
    );
  }
}

/** The panel in the side bar. */
export class ModelServePanel extends WatchingWidget {
  constructor(store: StatusStore, services: IServices) {
    super(store, services);
    const { trans } = services;
    this.id = PANEL_ID;
    this.addClass('jp-modelserve-panel');
    this.title.icon = modelserveIcon;
    this.title.caption = trans.__('Model serving');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('Model serving'));
  }

  protected content(): React.ReactElement {
    return <Panel />;
  }
}
