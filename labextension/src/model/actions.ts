import type { TranslationBundle } from '@jupyterlab/translation';

import type {
  IEndpoint,
  IEndpointSpec,
  IModelVersion,
  ISelector,
  IServedEntity
} from '../api';
import type {
  IFolderRequest,
  IModelServeClient,
  IModelServeModel
} from '../tokens';
import type { ActivityStore } from './activity';
import type { EndpointStore } from './endpoints';
import type { ModelStore } from './models';
import { endpointFor } from './names';

/** A logged model of a run, which can be registered. */
export interface ILoggedModel {
  model_id: string;
  name: string;
  run_id: string;
  created_at: number;
}

/** What `serve` may be told besides the model. */
export interface IServeOptions {
  name?: string;
  size?: string;
  replicas?: number;
}

interface ICreatedVersion {
  model_version: { name: string; version: string };
}

const EXISTS = 'RESOURCE_ALREADY_EXISTS';

/** Everything that the panel changes. Each action is a task with a name; false or undefined when it failed. */
export class Actions {
  constructor(
    private readonly client: IModelServeClient,
    private readonly status: IModelServeModel,
    private readonly endpoints: EndpointStore,
    private readonly models: ModelStore,
    private readonly activity: ActivityStore,
    private readonly trans: TranslationBundle
  ) {}

  /** Serve what *selector* means of *model*; an endpoint of that name is changed without a gap. */
  serve(
    model: string,
    selector: ISelector,
    options: IServeOptions = {}
  ): Promise<boolean> {
    const name = options.name || endpointFor(model);
    const known = this.endpoints.get(name);
    const entity: Partial<IServedEntity> = {
      model,
      selector,
      ...(options.size
        ? { workload_size: options.size as IServedEntity['workload_size'] }
        : {}),
      ...(options.replicas ? { replicas: options.replicas } : {})
    };
    const spec = {
      ...(known && !known.deleting ? known.spec : {}),
      name,
      entities: [entity]
    };
    return this.put(this.trans.__('Serve %1', model), spec, known);
  }

  /** Change an endpoint, unless somebody else changed it since it was *seen*. */
  change(spec: IEndpointSpec, seen: IEndpoint): Promise<boolean> {
    return this.put(this.trans.__('Change %1', spec.name), spec, seen);
  }

  /** Stop serving. */
  stop(endpoint: string): Promise<boolean> {
    const title = this.trans.__('Stop %1', endpoint);
    return this.act(title, () =>
      this.client.call<IEndpoint>('DELETE /endpoints/{name}', {
        path: { name: endpoint }
      })
    );
  }

  /** Let an alias point at a version, wherever it pointed before. */
  setAlias(model: string, alias: string, version: string): Promise<boolean> {
    const title = this.trans.__('%1: set alias %2', model, alias);
    return this.act(title, () =>
      this.client.call('PUT /models/{name}/aliases/{alias}', {
        path: { name: model, alias },
        body: { version }
      })
    );
  }

  /** Take an alias away. */
  deleteAlias(model: string, alias: string): Promise<boolean> {
    const title = this.trans.__('%1: remove alias %2', model, alias);
    return this.act(title, () =>
      this.client.call('DELETE /models/{name}/aliases/{alias}', {
        path: { name: model, alias }
      })
    );
  }

  /** Move a version to a stage. */
  setStage(
    model: string,
    version: string,
    stage: string,
    archive: boolean
  ): Promise<boolean> {
    const title = this.trans.__(
      '%1 version %2: move to %3',
      model,
      version,
      stage
    );
    return this.act(title, () =>
      this.client.mlflow('POST', 'model-versions/transition-stage', {
        name: model,
        version,
        stage,
        archive_existing_versions: archive
      })
    );
  }

  /** Models that were logged, the newest first. */
  async loggedModels(): Promise<ILoggedModel[]> {
    const found = await this.client.mlflow<{
      experiments?: { experiment_id: string }[];
    }>('GET', 'experiments/search', { max_results: 200 });
    const ids = (found.experiments ?? []).map(each => each.experiment_id);
    const logged = await this.client.mlflow<{
      models?: {
        info: {
          model_id: string;
          name?: string;
          source_run_id?: string;
          creation_timestamp_ms?: number | string;
          status?: string;
        };
      }[];
    }>('POST', 'logged-models/search', {
      experiment_ids: ids,
      max_results: 50
    });
    return (logged.models ?? [])
      .map(({ info }) => ({
        model_id: info.model_id,
        name: info.name ?? '',
        run_id: info.source_run_id ?? '',
        created_at: Number(info.creation_timestamp_ms ?? 0)
      }))
      .sort((a, b) => b.created_at - a.created_at);
  }

  /** Register a logged model; the number of the new version. */
  async register(
    name: string,
    logged: ILoggedModel,
    options: { alias?: string; description?: string } = {}
  ): Promise<string | undefined> {
    const title = this.trans.__('Register %1', name);
    return this.create(
      title,
      name,
      {
        source: `models:/${logged.model_id}`,
        model_id: logged.model_id,
        ...(logged.run_id ? { run_id: logged.run_id } : {}),
        ...(options.description ? { description: options.description } : {})
      },
      options.alias
    );
  }

  /** Register a folder of the Jupyter server; the number of the new version. */
  async registerFolder(request: IFolderRequest): Promise<string | undefined> {
    const title = this.trans.__('Register %1', request.name);
    const made = await this.activity.run(title, () =>
      this.client.registerFolder(request)
    );
    await this.models.refresh();
    return made?.version;
  }

  /** Make a catalog (`prod`) or a schema in one (`prod.sales`). */
  createGroup(name: string, comment: string): Promise<boolean> {
    const title = this.trans.__('Create %1', name);
    return this.act(title, () =>
      this.client.call(
        name.includes('.') ? 'POST /schemas' : 'POST /catalogs',
        { body: { name, comment } }
      )
    );
  }

  /** Copy a version with its files into another model, which is made when it does not exist; the copy's number. */
  async copy(
    model: string,
    version: string,
    target: string,
    alias?: string
  ): Promise<string | undefined> {
    const title = this.trans.__('Copy %1 version %2', model, version);
    const made = await this.activity.run(title, () =>
      this.client.call<IModelVersion>(
        'POST /models/{name}/versions/{version}/copy',
        {
          path: { name: model, version },
          body: { to: target, aliases: alias ? [alias] : [] }
        }
      )
    );
    await this.models.refresh();
    return made?.version;
  }

  /** Delete a version for ever. */
  deleteVersion(model: string, version: string): Promise<boolean> {
    const title = this.trans.__('Delete %1 version %2', model, version);
    return this.act(title, () =>
      this.client.call('DELETE /models/{name}/versions/{version}', {
        path: { name: model, version },
        query: { force: 'true' }
      })
    );
  }

  /** Delete a model with its versions for ever. */
  deleteModel(model: string): Promise<boolean> {
    const title = this.trans.__('Delete %1', model);
    return this.act(title, () =>
      this.client.mlflow('DELETE', 'registered-models/delete', { name: model })
    );
  }

  /** Describe a version, or the model where *version* is empty. */
  describe(model: string, version: string, text: string): Promise<boolean> {
    const title = this.trans.__('%1: change the description', model);
    return this.act(title, () =>
      version
        ? this.client.mlflow('PATCH', 'model-versions/update', {
            name: model,
            version,
            description: text
          })
        : this.client.mlflow('PATCH', 'registered-models/update', {
            name: model,
            description: text
          })
    );
  }

  /** Set a tag of a version, or of the model where *version* is empty. */
  setTag(
    model: string,
    version: string,
    key: string,
    value: string
  ): Promise<boolean> {
    const kind = version ? 'model-versions' : 'registered-models';
    const values = { name: model, key, value, ...(version ? { version } : {}) };
    const title = this.trans.__('%1: set tag %2', model, key);
    return this.act(title, () =>
      this.client.mlflow('POST', `${kind}/set-tag`, values)
    );
  }

  /** Take a tag away. */
  deleteTag(model: string, version: string, key: string): Promise<boolean> {
    const kind = version ? 'model-versions' : 'registered-models';
    const values = { name: model, key, ...(version ? { version } : {}) };
    const title = this.trans.__('%1: remove tag %2', model, key);
    return this.act(title, () =>
      this.client.mlflow('DELETE', `${kind}/delete-tag`, values)
    );
  }

  /** Grant rights on an object, or take them back. */
  changeGrants(
    kind: string,
    name: string,
    principal: string,
    change: { add?: string[]; remove?: string[] }
  ): Promise<boolean> {
    const title = change.add
      ? this.trans.__('Grant %1 to %2', change.add.join(', '), principal)
      : this.trans.__(
          'Revoke %1 from %2',
          (change.remove ?? []).join(', '),
          principal
        );
    return this.act(title, () =>
      this.client.call('PATCH /grants/{kind}/{name}', {
        path: { kind, name },
        body: { changes: [{ principal, ...change }] }
      })
    );
  }

  private async create(
    title: string,
    name: string,
    values: Record<string, unknown>,
    alias?: string
  ): Promise<string | undefined> {
    const version = await this.activity.run(title, async () => {
      await this.ensureModel(name);
      const made = await this.client.mlflow<ICreatedVersion>(
        'POST',
        'model-versions/create',
        { name, ...values }
      );
      if (alias) {
        await this.client.mlflow('POST', 'registered-models/alias', {
          name,
          alias,
          version: made.model_version.version
        });
      }
      return made.model_version.version;
    });
    await this.models.refresh();
    return version;
  }

  private async ensureModel(name: string): Promise<void> {
    if (this.models.get(name)) {
      return;
    }
    try {
      await this.client.mlflow('POST', 'registered-models/create', { name });
    } catch (error) {
      if ((error as { code?: string }).code !== EXISTS) {
        throw error;
      }
    }
  }

  /** Without the names of secrets: those that are set are kept, also one that was set after *spec* was read. */
  private put(
    title: string,
    spec: Partial<Omit<IEndpointSpec, 'entities'>> & {
      name: string;
      entities: Partial<IServedEntity>[];
    },
    seen?: IEndpoint
  ): Promise<boolean> {
    const body: Partial<typeof spec> = { ...spec };
    delete body.secrets;
    return this.act(title, () =>
      this.client.call<IEndpoint>('PUT /endpoints/{name}', {
        path: { name: spec.name },
        body,
        ...(seen && !seen.deleting
          ? {
              headers: { 'If-Match': `"${seen.generation}-${seen.created_at}"` }
            }
          : {})
      })
    );
  }

  private async act(
    title: string,
    work: () => Promise<unknown>
  ): Promise<boolean> {
    const done = await this.activity.run(title, async () => {
      await work();
      return true;
    });
    await Promise.all([this.models.refresh(), this.status.refresh()]);
    return done ?? false;
  }
}
