"""LitServe: its batching over pyfunc. Runs in LitServe's environment; MODEL and PORT say what and where."""

import os
from typing import Any

import litserve
import mlflow
import numpy as np
import pandas as pd


class Service(litserve.LitAPI):
    """One model, one worker; requests of any number of rows are joined and taken apart again."""

    def setup(self, device: str) -> None:
        self.model = mlflow.pyfunc.load_model(os.environ["MODEL"])
        self.columns = self.model.metadata.get_input_schema().input_names()

    def decode_request(self, request: dict[str, Any]) -> np.ndarray:
        return np.asarray(request["rows"], dtype="float64")

    def batch(self, inputs: list[np.ndarray]) -> tuple[np.ndarray, list[int]]:
        return np.concatenate(inputs), [len(each) for each in inputs]

    def predict(self, batch: tuple[np.ndarray, list[int]]) -> list[np.ndarray]:
        rows, lengths = batch
        answers = np.asarray(self.model.predict(pd.DataFrame(rows, columns=self.columns)))
        return np.split(answers, np.cumsum(lengths)[:-1])

    def unbatch(self, output: list[np.ndarray]) -> list[np.ndarray]:
        return output

    def encode_response(self, output: np.ndarray) -> dict[str, Any]:
        return {"predictions": output.tolist()}


if __name__ == "__main__":
    api = Service(max_batch_size=64, batch_timeout=0.002)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1, timeout=60)
    server.run(
        host="127.0.0.1", port=int(os.environ["PORT"]), num_api_servers=1, generate_client_file=False,
        log_level="warning",
    )  # fmt: skip
