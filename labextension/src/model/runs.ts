/** A run as MLflow's REST gives it. */
export interface IRun {
  info: { run_id: string; run_name?: string; start_time?: number | string };
  data: {
    metrics?: { key: string; value: number }[];
    params?: { key: string; value: string }[];
    tags?: { key: string; value: string }[];
  };
  inputs?: {
    dataset_inputs?: {
      tags?: { key: string; value: string }[];
      dataset: {
        name: string;
        digest: string;
        source_type: string;
        source?: string;
        profile?: string;
      };
    }[];
  };
}

/** A dataset that a run used, and for what. */
export interface IDataset {
  name: string;
  digest: string;
  source: string;
  context: string;
  profile: string;
}

/** The datasets of a run: training and evaluation (REQ-083). */
export function datasetsOf(run?: IRun | null): IDataset[] {
  return (run?.inputs?.dataset_inputs ?? []).map(({ dataset, tags }) => ({
    name: dataset.name,
    digest: dataset.digest,
    source: dataset.source_type,
    context:
      tags?.find(each => each.key === 'mlflow.data.context')?.value ?? '',
    profile: dataset.profile ?? ''
  }));
}
