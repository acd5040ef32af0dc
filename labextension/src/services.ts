import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { IStateDB } from '@jupyterlab/statedb';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { IServices } from './components/context';
import { drag } from './drag';
import { Actions } from './model/actions';
import { ActivityStore } from './model/activity';
import { EndpointStore } from './model/endpoints';
import { MetricsStore } from './model/metrics';
import { ModelStore } from './model/models';
import type { StatusStore } from './model/store';
import { ViewStore } from './model/view';
import type { IModelServeClient } from './tokens';

/** Lines of a log that are asked for, unless the setting says something else. */
export const LOG_LINES = 200;

/** Put the stores together: one per domain, each following the status. */
export function makeServices(
  app: JupyterFrontEnd,
  client: IModelServeClient,
  status: StatusStore,
  keeper: IStateDB | null,
  trans: TranslationBundle,
  options: { logLines: number }
): IServices {
  const endpoints = new EndpointStore(status);
  const models = new ModelStore(client, status);
  const activity = new ActivityStore(endpoints);
  return {
    trans,
    client,
    status,
    endpoints,
    models,
    metrics: new MetricsStore(client),
    activity,
    view: new ViewStore(keeper),
    actions: new Actions(client, status, endpoints, models, activity, trans),
    logLines: () => options.logLines,
    run: (command, args) => app.commands.execute(command, args),
    drag
  };
}
