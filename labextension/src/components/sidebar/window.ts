import * as React from 'react';

/** The rows that are in sight, with some above and below. */
export interface IWindow {
  first: number;
  last: number;
  onScroll: (event: React.UIEvent<HTMLElement>) => void;
}

const SPARE = 8;

/** Which rows of equal height to draw inside *node*, however many there are. */
export function useWindow(
  node: React.RefObject<HTMLElement>,
  count: number,
  height: number
): IWindow {
  const [top, setTop] = React.useState(0);
  const [size, setSize] = React.useState(0);
  React.useLayoutEffect(() => {
    const element = node.current;
    if (!element) {
      return;
    }
    const measure = () => setSize(element.clientHeight);
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, [node]);
  const first = Math.max(Math.floor(top / height) - SPARE, 0);
  const last = Math.min(Math.ceil((top + size) / height) + SPARE, count);
  return {
    first: Math.min(first, last),
    last,
    onScroll: event => setTop(event.currentTarget.scrollTop)
  };
}
