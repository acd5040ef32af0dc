"""Ray Serve: its batching over pyfunc. Runs in Ray's environment; MODEL and PORT say what and where."""

import os
import signal
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import ray
from ray import serve


@serve.deployment(num_replicas=1, max_ongoing_requests=256, ray_actor_options={"num_cpus": 1})
class Service:
    """One model, one replica; requests of any number of rows are joined and taken apart again."""

    def __init__(self, directory: str) -> None:
        self.model = mlflow.pyfunc.load_model(directory)
        self.columns = self.model.metadata.get_input_schema().input_names()

    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.002)
    async def many(self, inputs: list[list[list[float]]]) -> list[list[int]]:
        """Labels of several requests' rows."""
        frame = pd.DataFrame([row for rows in inputs for row in rows], columns=self.columns)
        answers = np.asarray(self.model.predict(frame))
        return [part.tolist() for part in np.split(answers, np.cumsum([len(rows) for rows in inputs])[:-1])]

    async def __call__(self, request: Any) -> dict[str, Any]:
        return {"predictions": await self.many((await request.json())["rows"])}


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: (serve.shutdown(), ray.shutdown(), os._exit(0)))
    place = os.environ["HOME"]
    ray.init(
        num_cpus=2, include_dashboard=False, log_to_driver=False, _temp_dir=place, _node_ip_address="127.0.0.1"
    )  # fmt: skip
    serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["PORT"])})
    serve.run(Service.bind(os.environ["MODEL"]), route_prefix="/predict")
    signal.pause()
