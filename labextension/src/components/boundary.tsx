import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

interface IBoundaryProps {
  trans: TranslationBundle;
  children: React.ReactNode;
}

interface IBoundaryState {
  message: string | null;
}

/** Keeps a fault of one component from leaving an empty panel without a word. */
export class ErrorBoundary extends React.Component<
  IBoundaryProps,
  IBoundaryState
> {
  state: IBoundaryState = { message: null };

  static getDerivedStateFromError(error: unknown): IBoundaryState {
    return { message: error instanceof Error ? error.message : String(error) };
  }

  render(): React.ReactNode {
    if (this.state.message === null) {
      return this.props.children;
    }
    const { trans } = this.props;
    return (
      <div className="jp-modelserve-message" role="alert">
        <p>{trans.__('The panel cannot show this state.')}</p>
        <p className="jp-modelserve-hint">{this.state.message}</p>
        <button
          className="jp-modelserve-button"
          onClick={() => this.setState({ message: null })}
        >
          {trans.__('Try again')}
        </button>
      </div>
    );
  }
}
