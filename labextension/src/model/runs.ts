/** A run as MLflow's REST gives it. */
export interface IRun {
  info: { run_id: string; run_name?: string; start_time?: number | string };
  data: {
    metrics?: { key: string; value: number }[];
    params?: { key: string; value: string }[];
    tags?: { key: string; value: string }[];
  };
}
