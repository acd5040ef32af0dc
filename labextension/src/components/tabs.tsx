import * as React from 'react';

/** One tab. */
export interface ITab {
  id: string;
  label: React.ReactNode;
  content: () => React.ReactNode;
}

/** Tabs as assistive technology knows them: arrow keys move, the chosen one alone is in the tab order. */
export function Tabs(props: {
  label: string;
  tabs: ITab[];
  active?: string;
  vertical?: boolean;
  onChange?: (id: string) => void;
}): React.ReactElement | null {
  const { tabs, vertical } = props;
  const [chosen, setChosen] = React.useState(props.active ?? '');
  const unique = React.useId();
  const bar = React.useRef<HTMLDivElement>(null);
  React.useEffect(() => {
    if (props.active) {
      setChosen(props.active);
    }
  }, [props.active]);
  const current = tabs.find(each => each.id === chosen) ?? tabs[0];
  if (!current) {
    return null;
  }
  const choose = (id: string) => {
    setChosen(id);
    props.onChange?.(id);
  };
  const onKeyDown = (event: React.KeyboardEvent) => {
    const index = tabs.indexOf(current);
    const [before, after] = vertical
      ? ['ArrowUp', 'ArrowDown']
      : ['ArrowLeft', 'ArrowRight'];
    const places: Record<string, number> = {
      [before]: (index + tabs.length - 1) % tabs.length,
      [after]: (index + 1) % tabs.length,
      Home: 0,
      End: tabs.length - 1
    };
    const place = places[event.key];
    if (place !== undefined) {
      event.preventDefault();
      choose(tabs[place].id);
      bar.current?.querySelectorAll<HTMLElement>('[role=tab]')[place].focus();
    }
  };
  return (
    <div
      className={`jp-modelserve-tabs ${vertical ? 'jp-mod-vertical' : ''}`.trim()}
    >
      <div
        ref={bar}
        className="jp-modelserve-tabBar"
        role="tablist"
        aria-label={props.label}
        aria-orientation={vertical ? 'vertical' : 'horizontal'}
        onKeyDown={onKeyDown}
      >
        {tabs.map(each => (
          <button
            key={each.id}
            id={`${unique}${each.id}`}
            className="jp-modelserve-tab"
            role="tab"
            aria-selected={each === current}
            aria-controls={`${unique}panel`}
            tabIndex={each === current ? 0 : -1}
            onClick={() => choose(each.id)}
          >
            {each.label}
          </button>
        ))}
      </div>
      <div
        key={current.id}
        id={`${unique}panel`}
        className="jp-modelserve-tabPanel"
        role="tabpanel"
        aria-labelledby={`${unique}${current.id}`}
      >
        {current.content()}
      </div>
    </div>
  );
}
