import { MimeData } from '@lumino/coreutils';
import { Drag } from '@lumino/dragdrop';
import type * as React from 'react';

/** What notebooks accept as cells. */
const CELLS = 'application/vnd.jupyter.cells';
const LONGEST = 60;

function image(source: string): HTMLElement {
  const node = document.createElement('div');
  node.className = 'jp-modelserve-dragImage';
  node.textContent = source.slice(0, LONGEST);
  return node;
}

/** Start dragging a cell: a notebook takes it as a cell, an editor as text. */
export function drag(source: string, event: React.DragEvent): void {
  // JupyterLab has drags of its own; the browser's would be refused by notebooks.
  event.preventDefault();
  const data = new MimeData();
  data.setData(CELLS, [
    {
      cell_type: 'code',
      source,
      metadata: {},
      outputs: [],
      execution_count: null
    }
  ]);
  data.setData('text/plain', source);
  const started = new Drag({
    mimeData: data,
    dragImage: image(source),
    proposedAction: 'copy',
    supportedActions: 'copy',
    source: null
  });
  void started
    .start(event.clientX, event.clientY)
    .then(() => started.dispose());
}
