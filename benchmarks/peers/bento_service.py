"""BentoML: its adaptive batching over pyfunc. Runs in BentoML's environment; MODEL names the model's directory."""

import os
from typing import Annotated

import bentoml
import mlflow
import numpy as np
import pandas as pd


@bentoml.service(workers=1, traffic={"timeout": 60, "max_concurrency": 512})
class Service:
    """One model, one worker."""

    def __init__(self) -> None:
        self.model = mlflow.pyfunc.load_model(os.environ["MODEL"])
        self.columns = self.model.metadata.get_input_schema().input_names()

    # The wait is an upper bound that its dispatcher approaches only when that pays, so it is set far away.
    @bentoml.api(batchable=True, max_batch_size=2048, max_latency_ms=10000)
    def predict(self, rows: Annotated[np.ndarray, bentoml.validators.DType("float64")]) -> np.ndarray:
        """Labels of rows."""
        return np.asarray(self.model.predict(pd.DataFrame(rows, columns=self.columns)))
