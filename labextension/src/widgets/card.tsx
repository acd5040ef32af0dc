import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import * as React from 'react';

import { Card } from '../components/cards/card';
import type { IServices } from '../components/context';
import { CARD_MIME, cardOf, type ICard } from '../model/cards';
import type { StatusStore } from '../model/store';
import { WatchingWidget } from './panel';

type Factory = Parameters<IRenderMimeRegistry['addFactory']>[0];
type Renderer = ReturnType<Factory['createRenderer']>;
type Options = Parameters<Factory['createRenderer']>[0];
type MimeModel = Parameters<Renderer['renderModel']>[0];

/** Before HTML, which says the same as it was when the cell ran. */
const RANK = 40;

/** An output of ours in a notebook: live while somebody can see it. */
export class CardWidget extends WatchingWidget implements Renderer {
  constructor(
    store: StatusStore,
    services: IServices,
    private readonly options: Options,
    private readonly serverUrl: string
  ) {
    super(store, services);
    this.addClass('jp-modelserve-output');
  }

  /** Show what the output says. */
  renderModel(model: MimeModel): Promise<void> {
    this.about = cardOf(model.data[CARD_MIME]);
    const html = model.data['text/html'];
    const plain = model.data['text/plain'];
    // Notebooks come from anywhere: markup goes through JupyterLab's own sanitizer.
    this.html =
      typeof html === 'string' ? this.options.sanitizer.sanitize(html) : '';
    this.plain = typeof plain === 'string' ? plain : '';
    this.update();
    return this.renderPromise ?? Promise.resolve();
  }

  protected content(): React.ReactElement {
    const recorded = this.html ? (
      <div
        className="jp-RenderedHTMLCommon"
        dangerouslySetInnerHTML={{ __html: this.html }}
      />
    ) : (
      <pre>{this.plain}</pre>
    );
    return this.about ? (
      <Card about={this.about} serverUrl={this.serverUrl} recorded={recorded} />
    ) : (
      recorded
    );
  }

  private about: ICard | null = null;
  private html = '';
  private plain = '';
}

/** Let notebooks draw live cards. */
export function addCards(
  rendermime: IRenderMimeRegistry,
  store: StatusStore,
  services: IServices,
  serverUrl: string
): void {
  rendermime.addFactory(
    {
      safe: true,
      mimeTypes: [CARD_MIME],
      defaultRank: RANK,
      createRenderer: options =>
        new CardWidget(store, services, options, serverUrl)
    },
    RANK
  );
}
