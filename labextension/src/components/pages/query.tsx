import * as React from 'react';

import type { IVersionDetail } from '../../api';
import { CommandIDs } from '../../commands/ids';
import * as magics from '../../model/magics';
import { endpointPath, scoringPath } from '../../model/names';
import {
  contentType,
  convert,
  FORMATS,
  type Format,
  formatOf,
  formColumns,
  pretty,
  tableOf,
  write
} from '../../model/payload';
import { answers } from '../../model/states';
import type { IScored } from '../../tokens';
import { useAnswer, useServices, useSignal } from '../context';
import { Button } from '../controls';
import { RowForm } from './rowform';
import { PageHead } from './shared';
import { Snippets } from './snippets';

const ROWS = 10;

function readable(body: string): string {
  try {
    return pretty(JSON.parse(body));
  } catch {
    return body;
  }
}

function Response(props: { answer: IScored }): React.ReactElement {
  const { trans } = useServices();
  const { answer } = props;
  const good = answer.status < 400;
  return (
    <div className="jp-modelserve-response" data-level={good ? 'good' : 'bad'}>
      <p role="status">
        <strong>{`${answer.status} ${answer.statusText}`.trim()}</strong>
        {' · '}
        {trans.__('%1 ms', answer.milliseconds.toFixed(1))}
        {answer.version &&
          ` · ${trans.__('answered by %1 version %2', answer.model, answer.version)}`}
      </p>
      {answer.warning && <p className="jp-modelserve-hint">{answer.warning}</p>}
      <pre
        className="jp-modelserve-code"
        tabIndex={0}
        aria-label={trans.__('Response')}
      >
        {readable(answer.body)}
      </pre>
    </div>
  );
}

/** Send rows to a version or an endpoint: JSON or a form, the answer with status and time, and ready clients. */
export function Query(props: {
  model: string;
  version: string;
  endpoint: string;
  ready: boolean;
  /** Ask the endpoint, which chooses the version, instead of the version. */
  byEndpoint?: boolean;
}): React.ReactElement {
  const { trans, client, run } = useServices();
  const { model, version, endpoint, byEndpoint } = props;
  const [text, setText] = React.useState('');
  const [format, setFormat] = React.useState<Format>('dataframe_split');
  const [form, setForm] = React.useState(false);
  const [answer, setAnswer] = React.useState<IScored | null>(null);
  const [problem, setProblem] = React.useState('');
  const [sending, setSending] = React.useState(false);
  const id = React.useId();
  const detail = useAnswer(
    () =>
      client.call<IVersionDetail>('GET /models/{name}/versions/{version}', {
        path: { name: model, version }
      }),
    [client, model, version]
  );
  const example = detail.value?.example;
  const columns = formColumns(detail.value?.signature?.inputs);
  const path = byEndpoint
    ? endpointPath(endpoint)
    : scoringPath(model, version);
  const target = byEndpoint ? endpoint : `${model}/${version}`;

  const load = () => {
    const written = pretty(example);
    setForm(false);
    setText(written);
    setFormat(formatOf(written) ?? 'dataframe_split');
  };
  const send = async (body: string) => {
    if (sending) {
      return;
    }
    setSending(true);
    setProblem('');
    try {
      const type = formatOf(body) === 'csv' ? 'csv' : format;
      setAnswer(await client.score(path, body, contentType(type)));
    } catch (error) {
      setAnswer(null);
      setProblem(error instanceof Error ? error.message : String(error));
    }
    setSending(false);
  };
  return (
    <div className="jp-modelserve-query">
      <div className="jp-modelserve-row">
        <span className="jp-modelserve-inline">
          <label htmlFor={`${id}format`}>{trans.__('Format:')}</label>
          <select
            id={`${id}format`}
            className="jp-modelserve-input"
            value={format}
            onChange={event => {
              const next = event.target.value as Format;
              setFormat(next);
              setText(convert(text, next));
            }}
          >
            {FORMATS.map(each => (
              <option key={each}>{each}</option>
            ))}
          </select>
          {columns.length > 0 && (
            <Button onClick={() => setForm(!form)}>
              {form ? trans.__('Edit as text') : trans.__('Fill in a form')}
            </Button>
          )}
        </span>
        <Button
          disabled={example === null || example === undefined}
          onClick={load}
        >
          {trans.__('Load example')}
        </Button>
      </div>
      {form ? (
        <RowForm
          columns={columns}
          example={tableOf(example)}
          onChange={table => setText(write(table, format))}
        />
      ) : (
        <textarea
          className="jp-modelserve-input jp-modelserve-editor"
          aria-label={trans.__('Request')}
          placeholder={trans.__(
            'The rows to score, for example {"dataframe_records": [{"x": 1}]}'
          )}
          spellCheck={false}
          rows={ROWS}
          value={text}
          onChange={event => setText(event.target.value)}
          onKeyDown={event => {
            if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
              event.preventDefault();
              event.stopPropagation();
              void send(text);
            }
          }}
        />
      )}
      {!detail.loading && !example && (
        <p className="jp-modelserve-hint">
          {detail.error ||
            trans.__('This version was logged without an input example.')}
        </p>
      )}
      <div className="jp-modelserve-row">
        <span className="jp-modelserve-inline">
          <Button
            accept
            disabled={text.trim() === ''}
            onClick={() => void send(text)}
          >
            {sending ? trans.__('Sending…') : trans.__('Send request')}
          </Button>
          {!props.ready && (
            <span className="jp-modelserve-hint">
              {trans.__('It does not answer yet.')}
            </span>
          )}
        </span>
        <span className="jp-modelserve-inline">
          <Snippets path={path} reference={target} body={text} />
          <Button
            onClick={() =>
              void run(CommandIDs.insert, {
                code: magics.score(target, text || undefined)
              })
            }
          >
            {trans.__('Insert into notebook')}
          </Button>
        </span>
      </div>
      {problem && <p role="alert">{problem}</p>}
      {answer && <Response answer={answer} />}
    </div>
  );
}

/** The Query page of an endpoint. */
export function QueryPage(props: { endpoint: string }): React.ReactElement {
  const { trans, endpoints } = useServices();
  useSignal(endpoints.changed);
  const found = endpoints.get(props.endpoint);
  const version =
    found?.status.versions.find(each => each.serving) ??
    found?.status.versions[0];
  return (
    <div className="jp-modelserve-doc">
      <PageHead
        title={trans.__('Request to %1', props.endpoint)}
        subtitle={endpointPath(props.endpoint)}
      />
      {version ? (
        <Query
          byEndpoint
          endpoint={props.endpoint}
          model={version.model}
          version={version.version}
          ready={answers(version.state)}
        />
      ) : (
        <p className="jp-modelserve-message" role="status">
          {found
            ? trans.__('%1 serves no version now.', props.endpoint)
            : trans.__(
                'Nothing called %1 is served, or you may not see it.',
                props.endpoint
              )}
        </p>
      )}
    </div>
  );
}
