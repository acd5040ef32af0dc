import * as React from 'react';

import { endpointBadge, selectorText } from '../model/states';
import type { IEndpoint } from '../tokens';
import { Copyable } from './address';
import { Badge } from './badge';
import { useTranslation } from './context';
import { VersionRow } from './version';

/** The part of an address after the host: the host is the instance's, shown once above. */
function pathOf(url: string): string {
  return url.replace(/^[a-z]+:\/\/[^/]+/, '') || url;
}

/** What an endpoint selects: each model once, with its share of the traffic where there are several. */
function Selection(props: { endpoint: IEndpoint }): React.ReactElement {
  const trans = useTranslation();
  const { name, entities } = props.endpoint.spec;
  const byModel = new Map<string, string[]>();
  for (const entity of entities) {
    const what = selectorText(entity.selector, trans);
    const text =
      entities.length > 1
        ? trans.__('%1 (%2%)', what, String(entity.traffic))
        : what;
    byModel.set(entity.model, [...(byModel.get(entity.model) ?? []), text]);
  }
  return (
    <>
      {Array.from(byModel, ([model, texts]) => (
        <p key={model} className="jp-modelserve-hint">
          {model === name ? texts.join(', ') : `${model}: ${texts.join(', ')}`}
        </p>
      ))}
    </>
  );
}

/** An endpoint with its versions and its address. */
export function EndpointCard(props: {
  endpoint: IEndpoint;
}): React.ReactElement {
  const trans = useTranslation();
  const { endpoint } = props;
  const { spec, status } = endpoint;
  const id = `jp-modelserve-endpoint-${spec.name}`;
  const models = new Set(spec.entities.map(entity => entity.model));
  const url = status.urls[0];
  const message = status.update_message || status.service_message;
  const told = status.versions.some(version => version.failure !== null);
  return (
    <li className="jp-modelserve-endpoint" aria-labelledby={id}>
      <div className="jp-modelserve-row">
        <span id={id} className="jp-modelserve-title" title={spec.name}>
          {spec.name}
        </span>
        <Badge badge={endpointBadge(endpoint, trans)} />
      </div>
      <Selection endpoint={endpoint} />
      {message && !told && <p className="jp-modelserve-hint">{message}</p>}
      {status.versions.length > 0 && (
        <ul
          className="jp-modelserve-versions"
          aria-label={trans.__('Versions')}
        >
          {status.versions.map(version => (
            <VersionRow
              key={`${version.entity}/${version.model}/${version.version}`}
              version={version}
              showModel={models.size > 1}
            />
          ))}
        </ul>
      )}
      {url && (
        <Copyable
          text={url}
          shown={pathOf(url)}
          label={trans.__('Copy the address of %1', spec.name)}
        />
      )}
    </li>
  );
}
