import { Poll } from '@lumino/polling';
import * as React from 'react';

import type { ILogLine, IMergedLog, IVersionStatus } from '../../api';
import { CommandIDs } from '../../commands/ids';
import { logs as magic } from '../../model/magics';
import { useServices } from '../context';
import { Button } from '../controls';

const INTERVAL = 2000;
const NEAR_END = 30;

/** The replicas that were seen, those that have ended included, in the order in which they came. */
function union(before: string[], lines: ILogLine[]): string[] {
  const found = [...new Set([...before, ...lines.map(each => each.replica)])];
  return found.length === before.length ? before : found;
}

/** The log of a version, of all replicas or of one, following. Scrolled up, it stays where the reader is; hidden, nothing is asked. */
export function Logs(props: {
  endpoint: string;
  version: IVersionStatus;
}): React.ReactElement {
  const { trans, client, logLines, run } = useServices();
  const { endpoint, version } = props;
  const [text, setText] = React.useState('');
  const [problem, setProblem] = React.useState('');
  const [replica, setReplica] = React.useState('');
  const [replicas, setReplicas] = React.useState<string[]>([]);
  const [follow, setFollow] = React.useState(true);
  const node = React.useRef<HTMLPreElement>(null);
  const { model, version: number } = version;

  React.useEffect(() => {
    let wanted = true;
    const look = async () => {
      if (node.current?.offsetParent === null) {
        return; // in a page that is not shown
      }
      try {
        const found = await client.call<IMergedLog>(
          'GET /endpoints/{name}/logs',
          {
            path: { name: endpoint },
            query: {
              model,
              version: number,
              tail: logLines(),
              ...(replica ? { replica } : {})
            }
          }
        );
        if (wanted) {
          setText(found.logs);
          setReplicas(before => union(before, found.lines));
          setProblem('');
        }
      } catch (error) {
        if (wanted) {
          setProblem(error instanceof Error ? error.message : String(error));
        }
      }
    };
    const poll = new Poll({
      name: 'jupyter-modelserve:logs',
      factory: look,
      frequency: { interval: INTERVAL, backoff: false },
      standby: 'when-hidden'
    });
    if (!follow) {
      void poll.tick.then(() => poll.stop());
    }
    return () => {
      wanted = false;
      poll.dispose();
    };
  }, [client, endpoint, model, number, replica, follow, logLines]);

  React.useLayoutEffect(() => {
    if (follow && node.current) {
      node.current.scrollTop = node.current.scrollHeight;
    }
  }, [text, follow]);

  return (
    <div className="jp-modelserve-logs">
      <div className="jp-modelserve-row">
        <span className="jp-modelserve-inline">
          <select
            className="jp-modelserve-input"
            aria-label={trans.__('Log of which replica')}
            value={replica}
            onChange={event => setReplica(event.target.value)}
          >
            <option value="">{trans.__('All replicas')}</option>
            {replicas.map(each => (
              <option key={each} value={each}>
                {trans.__('Replica %1', each)}
              </option>
            ))}
          </select>
          <label>
            <input
              type="checkbox"
              checked={follow}
              onChange={event => setFollow(event.target.checked)}
            />{' '}
            {trans.__('Follow')}
          </label>
        </span>
        <Button
          onClick={() =>
            void run(CommandIDs.insert, { code: magic(endpoint, number) })
          }
        >
          {trans.__('Insert %logs into notebook')}
        </Button>
      </div>
      {problem && <p role="alert">{problem}</p>}
      <pre
        ref={node}
        className="jp-modelserve-code jp-modelserve-log"
        tabIndex={0}
        aria-label={trans.__('Log of version %1', number)}
        onScroll={event => {
          const { scrollTop, clientHeight, scrollHeight } = event.currentTarget;
          if (follow && scrollTop + clientHeight < scrollHeight - NEAR_END) {
            setFollow(false);
          }
        }}
      >
        {text || trans.__('(the log is empty)')}
      </pre>
    </div>
  );
}
