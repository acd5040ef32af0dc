import { Poll } from '@lumino/polling';
import * as React from 'react';

import type { ICheck, IVersionChecks } from '../../api';
import * as magics from '../../model/magics';
import { checkBadge, environmentText } from '../../model/states';
import { Copyable } from '../address';
import { Badge } from '../badge';
import { useServices } from '../context';
import { Button, Facts, Section, when } from '../controls';
import { Failure, Phases } from '../progress';

const INTERVAL = 1000;

interface IAbout {
  model: string;
  version: string;
}

/** Where a logged model lies that a version was made of. */
const LOGGED = 'models:/m-';

/** The latest checks of a version; looked at again while one runs, by anybody, and nowhere else. */
function useChecks({ model, version }: IAbout): {
  checks: IVersionChecks | null;
  problem: string;
  look: () => Promise<void>;
} {
  const { client } = useServices();
  const [checks, setChecks] = React.useState<IVersionChecks | null>(null);
  const [problem, setProblem] = React.useState('');
  const wanted = React.useRef(true);
  const look = React.useCallback(async () => {
    try {
      const found = await client.call<IVersionChecks>(
        'GET /models/{name}/versions/{version}/check',
        { path: { name: model, version } }
      );
      if (wanted.current) {
        setChecks(found);
        setProblem('');
      }
    } catch (error) {
      if (wanted.current) {
        setProblem(error instanceof Error ? error.message : String(error));
      }
    }
  }, [client, model, version]);
  React.useEffect(() => {
    wanted.current = true;
    void look();
    return () => {
      wanted.current = false;
    };
  }, [look]);
  const running = [checks?.check, checks?.trial].some(
    each => each?.state === 'running'
  );
  React.useEffect(() => {
    if (!running) {
      return;
    }
    const poll = new Poll({
      name: 'jupyter-modelserve:check',
      factory: look,
      frequency: { interval: INTERVAL, backoff: false },
      standby: 'when-hidden'
    });
    return () => poll.dispose();
  }, [running, look]);
  return { checks, problem, look };
}

function changes(check: ICheck): string {
  const { requirements, remove, python } = check.overrides;
  return [
    ...requirements,
    ...remove.map(each => `- ${each}`),
    ...(python ? [`Python ${python}`] : [])
  ].join(', ');
}

/** One check: verdict, steps, why it failed and what would mend it, the log. */
function Outcome(props: {
  check: ICheck;
  label: string;
  source: string;
}): React.ReactElement {
  const { trans } = useServices();
  const { check, label, source } = props;
  const { environment, failure, overrides } = check;
  const changed = changes(check);
  return (
    <section className="jp-modelserve-section" aria-label={label}>
      <div className="jp-modelserve-row">
        <strong>{label}</strong>
        <span role="status">
          <Badge badge={checkBadge(check.state, trans)} />
        </span>
      </div>
      {failure && <Failure failure={failure} />}
      <Facts
        facts={[
          [trans.__('Started'), when(check.started_at)],
          [trans.__('Took'), trans.__('%1 s', check.seconds.toFixed(1))],
          [trans.__('Trial prediction'), check.verdict ?? '–'],
          [trans.__('Environment'), environmentText(environment, trans)],
          ...(changed
            ? [[trans.__('Tried with'), changed] as [string, string]]
            : [])
        ]}
      />
      <Phases phases={check.phases} ended={check.state !== 'running'} />
      {check.warnings.map(each => (
        <p key={each} className="jp-modelserve-hint">
          {each}
        </p>
      ))}
      {check.missing.length > 0 && (
        <p>
          {trans.__(
            'These requirements may mend it: %1',
            check.missing.join(', ')
          )}
        </p>
      )}
      {check.state === 'passed' && overrides.requirements.length > 0 && (
        <div className="jp-modelserve-magic">
          <span>
            {trans.__(
              'A registered version never changes. A new one with these requirements:'
            )}
          </span>
          {source.startsWith(LOGGED) ? (
            <Copyable
              block
              text={magics.keepRequirements(
                check.model,
                source,
                overrides.requirements
              )}
              label={trans.__('Copy the cell')}
            />
          ) : (
            <p className="jp-modelserve-hint">
              {trans.__('Log and register the model again with them.')}
            </p>
          )}
        </div>
      )}
      {check.log && (
        <details>
          <summary>{trans.__('Log')}</summary>
          <pre
            className="jp-modelserve-code jp-modelserve-log"
            tabIndex={0}
            aria-label={trans.__('Log of the check')}
          >
            {check.log}
          </pre>
        </details>
      )}
    </section>
  );
}

/** What is tried instead of what the model declares (REQ-127). */
function Trial(props: {
  about: IAbout;
  suggested: string[];
  busy: boolean;
  start: (requirements: string[], python: string) => void;
}): React.ReactElement {
  const { trans } = useServices();
  const [text, setText] = React.useState('');
  const [python, setPython] = React.useState('');
  const suggested = props.suggested.join('\n');
  React.useEffect(() => {
    setText(before => before || suggested);
  }, [suggested]);
  const requirements = text
    .split('\n')
    .map(each => each.trim())
    .filter(Boolean);
  const area = React.useId();
  const field = React.useId();
  return (
    <Section title={trans.__('Try other requirements')}>
      <div className="jp-modelserve-field">
        <label htmlFor={area}>
          {trans.__('Requirements to add or change, one a line')}
        </label>
        <textarea
          id={area}
          className="jp-modelserve-input"
          rows={3}
          spellCheck={false}
          placeholder={'scikit-learn==1.5.2'}
          value={text}
          onChange={event => setText(event.target.value)}
        />
      </div>
      <div className="jp-modelserve-field">
        <label htmlFor={field}>{trans.__('Python (optional)')}</label>
        <input
          id={field}
          className="jp-modelserve-input"
          placeholder={'3.11'}
          value={python}
          onChange={event => setPython(event.target.value)}
        />
      </div>
      <Button
        disabled={
          props.busy || (requirements.length === 0 && python.trim() === '')
        }
        onClick={() => props.start(requirements, python.trim())}
      >
        {trans.__('Try')}
      </Button>
      <Copyable
        text={magics.check(
          props.about.model,
          props.about.version,
          requirements,
          python.trim()
        )}
        label={trans.__('Copy the cell')}
      />
    </Section>
  );
}

/** Run a version in a clean environment before it is served, and try what would mend it (REQ-127). */
export function Checks(props: IAbout & { source: string }): React.ReactElement {
  const { trans, client, activity } = useServices();
  const { model, version, source } = props;
  const { checks, problem, look } = useChecks(props);
  const check = checks?.check ?? null;
  const trial = checks?.trial ?? null;
  const start = async (overrides?: {
    requirements: string[];
    python: string;
  }) => {
    await activity.run(trans.__('Validate %1 version %2', model, version), () =>
      client.call('POST /models/{name}/versions/{version}/check', {
        path: { name: model, version },
        body: overrides ? { overrides } : {}
      })
    );
    await look();
  };
  return (
    <>
      <div className="jp-modelserve-row">
        <p className="jp-modelserve-hint">
          {trans.__(
            'Builds a clean environment from its requirements, loads the model there and lets it predict its input example. Nothing that is served changes.'
          )}
        </p>
        <Button
          accept
          disabled={check?.state === 'running'}
          onClick={() => void start()}
        >
          {check ? trans.__('Validate again') : trans.__('Validate')}
        </Button>
      </div>
      {problem && <p role="alert">{problem}</p>}
      {check && (
        <Outcome check={check} label={trans.__('Validation')} source={source} />
      )}
      {checks && (
        <Trial
          about={{ model, version }}
          suggested={check?.missing ?? []}
          busy={trial?.state === 'running'}
          start={(requirements, python) => void start({ requirements, python })}
        />
      )}
      {trial && (
        <Outcome check={trial} label={trans.__('Trial')} source={source} />
      )}
    </>
  );
}
