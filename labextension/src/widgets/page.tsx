import { MainAreaWidget } from '@jupyterlab/apputils';
import type { Message } from '@lumino/messaging';
import { type ISignal, Signal } from '@lumino/signaling';
import * as React from 'react';

import type { IPage } from '../commands/shared';
import type { IServices } from '../components/context';
import { PageView } from '../components/pages/page';
import { modelserveIcon } from '../icons';
import type { StatusStore } from '../model/store';
import { WatchingWidget } from './panel';

/** Namespace of the pages, for restoring them. */
export const PAGES = 'jupyter-modelserve-pages';

/** Identifier of a page: one of each. */
export function idOf(page: IPage): string {
  return `jp-modelserve-page-${page.kind}-${page.name}-${page.version}`;
}

/** A page about a model, a version, an endpoint or a request. */
export class Page extends WatchingWidget {
  constructor(
    store: StatusStore,
    services: IServices,
    private present: IPage
  ) {
    super(store, services);
    this.addClass('jp-modelserve-page');
    this.title.label = this.caption;
    this.title.caption = this.caption;
    this.title.icon = modelserveIcon;
  }

  /** What it shows. */
  get page(): IPage {
    return this.present;
  }

  /** Emitted when another tab was chosen. */
  get pageChanged(): ISignal<this, IPage> {
    return this.moved;
  }

  /** Show a tab of it. */
  goTo(tab: string): void {
    if (tab && tab !== this.present.tab) {
      this.present = { ...this.present, tab };
      this.moved.emit(this.present);
      this.update();
    }
  }

  protected onActivateRequest(message: Message): void {
    super.onActivateRequest(message);
    // Without scrolling: a press of the pointer activates as well, and what it is on must not move away from it.
    this.node
      .querySelector<HTMLElement>('[role=tab][tabindex="0"]')
      ?.focus({ preventScroll: true });
  }

  protected content(): React.ReactElement {
    return <PageView page={this.present} onTab={tab => this.goTo(tab)} />;
  }

  private get caption(): string {
    const { trans } = this.services;
    const { kind, name, version } = this.present;
    switch (kind) {
      case 'version':
        return trans.__('%1 version %2', name, version);
      case 'endpoint':
        return trans.__('Endpoint %1', name);
      case 'query':
        return trans.__('Request to %1', name);
      default:
        return name;
    }
  }

  private readonly moved = new Signal<this, IPage>(this);
}

/** Put a page into a widget for the main area. */
export function mainArea(content: Page): MainAreaWidget<Page> {
  const widget = new MainAreaWidget({ content });
  widget.id = idOf(content.page);
  // The surrounding widget would call it “main area content”.
  content.node.setAttribute('role', 'region');
  content.node.setAttribute('aria-label', content.title.label);
  widget.title.closable = true;
  widget.toolbar.hide();
  return widget;
}
