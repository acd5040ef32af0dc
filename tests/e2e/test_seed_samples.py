"""Every sample of the source texts that scores a model, sent as printed but for address and token.

Each must answer 200 with the right prediction. The Chinese text is machine translated: its samples are restored as
docs of the requirements say. The Python samples run as the texts print them, in an interpreter of their own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support import zoo
from tests.support.instance import RunningInstance, mlflow_of

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def _register_everything(mlflow: Any) -> list[str]:
    """Register one model for each sample; returns their names."""
    names = {"iris-classifier": zoo.IRIS_SHORT, "iris-mixed": zoo.IRIS_MIXED, "iris-long": zoo.IRIS_LONG}
    for name, columns in names.items():
        model, frame = zoo.iris(columns)
        zoo.register(mlflow, name, model, frame.head(2))
    mlflow.MlflowClient().transition_model_version_stage("iris-classifier", "1", "Production")
    model, frame = zoo.heart()
    zoo.register(mlflow, "heart", model, frame.head(2))
    for name, (function, signature, example) in zoo.function_models().items():
        zoo.register(mlflow, name, function, example, signature=signature)
    return [*names, "heart", *zoo.function_models()]


@pytest.fixture(scope="module")
def served(instance: RunningInstance) -> Iterator[RunningInstance]:
    """All the models of this file, served by one endpoint."""
    with mlflow_of(instance) as mlflow:
        names = _register_everything(mlflow)
    share = [100 - 10 * (len(names) - 1)] + [10] * (len(names) - 1)
    body = {
        "entities": [
            {"model": name, "selector": {"kind": "active"}, "traffic": part}
            for name, part in zip(names, share, strict=True)
        ]
    }
    with instance.client() as client, httpx.Client(base_url=instance.url, headers=instance.headers) as api:
        answer = api.put("/api/modelserve/v1/endpoints/samples", json=body)
        assert answer.status_code == 202, answer.text
        endpoint = client.wait_ready("samples", answer.json()["generation"], timeout=180)
        assert endpoint.status.service == "READY", endpoint.status
        yield instance
        api.delete("/api/modelserve/v1/endpoints/samples")


def uri(served: RunningInstance, model: str, segment: str = "1") -> str:
    return f"{served.url}/model/{model}/{segment}/invocations"


def shell(served: RunningInstance, model_uri: str, command: str) -> Any:
    """Run a curl sample as printed, in a shell with the two variables it names."""
    environment = {"PATH": os.environ["PATH"], "DATABRICKS_API_TOKEN": served.token, "MODEL_VERSION_URI": model_uri}
    script = textwrap.dedent(command).strip().replace("curl ", "curl -sS --fail-with-body ", 1)
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def python(served: RunningInstance, model_uri: str, sample: str) -> list[Any]:
    """Run a Python sample as printed; returns what each call of score_model gave."""
    prelude = "import json, os\nMODEL_VERSION_URI, DATABRICKS_API_TOKEN = os.environ['URI'], os.environ['TOKEN']\n"
    calls = "score_model(MODEL_VERSION_URI, DATABRICKS_API_TOKEN, data)"
    assert calls in sample
    script = prelude + sample.replace(calls, f"print(json.dumps({calls}))")
    environment = {**os.environ, "URI": model_uri, "TOKEN": served.token}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def post(served: RunningInstance, url: str, body: str | bytes, content_type: str = "application/json") -> Any:
    answer = httpx.post(url, content=body, headers={**served.headers, "content-type": content_type}, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()


# ------------------------------------------------------------------------------------- seed 000, MLflow 1.x
@pytest.mark.req("REQ-016", "REQ-018", "REQ-019", "REQ-031")
def test_s0_curl_records_1x(served: RunningInstance) -> None:
    command = """
        curl -X POST -u token:$DATABRICKS_API_TOKEN $MODEL_VERSION_URI \\
          -H 'Content-Type: application/json' \\
          -d '[
            {
              "sepal_length": 5.1,
              "sepal_width": 3.5,
              "petal_length": 1.4,
              "petal_width": 0.2
            }
          ]'"""
    assert shell(served, uri(served, "iris-classifier", "Production"), command) == [0]


@pytest.mark.req("REQ-032", "REQ-038")
@pytest.mark.parametrize("segment", ["1", "Production"])
def test_s0_curl_tensor(served: RunningInstance, segment: str) -> None:
    command = """
        curl -X POST -u token:$DATABRICKS_API_TOKEN $MODEL_VERSION_URI \\
           -H 'Content-Type: application/json' \\
           -d '{"inputs": [[5.1, 3.5, 1.4, 0.2]]}'"""
    assert shell(served, uri(served, "iris-classifier", segment), command) == {"predictions": [0]}


S0_PYTHON_1X = """
import numpy as np
import pandas as pd
import requests

def create_tf_serving_json(data):
  return {'inputs': {name: data[name].tolist() for name in data.keys()} if isinstance(data, dict) else data.tolist()}

def score_model(model_uri, databricks_token, data):
  headers = {
    "Authorization": f"Bearer {databricks_token}",
    "Content-Type": "application/json",
  }
  data_json = data.to_dict(orient='records') if isinstance(data, pd.DataFrame) else create_tf_serving_json(data)
  response = requests.request(method='POST', headers=headers, url=model_uri, json=data_json)
  if response.status_code != 200:
      raise Exception(f"Request failed with status {response.status_code}, {response.text}")
  return response.json()

# Scoring a model that accepts pandas DataFrames
data =  pd.DataFrame([{
  "sepal_length": 5.1,
  "sepal_width": 3.5,
  "petal_length": 1.4,
  "petal_width": 0.2
}])
score_model(MODEL_VERSION_URI, DATABRICKS_API_TOKEN, data)

# Scoring a model that accepts tensors
data = np.asarray([[5.1, 3.5, 1.4, 0.2]])
score_model(MODEL_VERSION_URI, DATABRICKS_API_TOKEN, data)
"""


@pytest.mark.req("REQ-020", "REQ-033", "REQ-034")
def test_s0_python_1x(served: RunningInstance) -> None:
    assert python(served, uri(served, "iris-classifier", "Production"), S0_PYTHON_1X) == [[0], {"predictions": [0]}]


@pytest.mark.req("REQ-041", "REQ-043")
def test_s0_power_bi_chunks(served: RunningInstance) -> None:
    """Json.FromValue of a table of at most 256 rows is a list of records; the M function combines the lists."""
    _, frame = zoo.iris(zoo.IRIS_SHORT)
    rows = frame.sample(300, replace=True, random_state=0)
    answers: list[Any] = []
    for start in range(0, len(rows), 256):
        chunk = rows.iloc[start : start + 256].to_json(orient="records")
        answers += post(served, uri(served, "iris-classifier"), chunk)
    model, _ = zoo.iris(zoo.IRIS_SHORT)
    assert answers == model.predict(rows).tolist()


# ------------------------------------------------------------------------------------- seed 000, MLflow 2.0
@pytest.mark.req("REQ-036")
def test_s0_curl_records_2x(served: RunningInstance) -> None:
    command = """
        curl -X POST -u token:$DATABRICKS_API_TOKEN $MODEL_VERSION_URI \\
          -H 'Content-Type: application/json' \\
          -d '{
              "dataframe_records": [{"sepal_length (cm)": 5.1, "sepal_width (cm)": 3.5, "petal_length (cm)": 1.4, "petal_width": 0.2},
                                    {"sepal_length (cm)": 4.2, "sepal_width (cm)": 5.0, "petal_length (cm)": 0.8, "petal_width": 0.5}]
              }'"""  # noqa: E501 - as printed
    assert shell(served, uri(served, "iris-mixed"), command) == {"predictions": [0, 0]}


@pytest.mark.req("REQ-037", "REQ-039")
def test_s0_python_2x_sends_json_within_json(served: RunningInstance) -> None:
    sample = S0_PYTHON_1X.replace(
        "data_json = data.to_dict(orient='records') if",
        "data_dict = {'dataframe_split': data.to_dict(orient='split')} if",
    ).replace("  response =", "  data_json = json.dumps(data_dict)\n  response =")
    assert "json.dumps(data_dict)" in sample
    answers = python(served, uri(served, "iris-classifier"), sample)
    assert answers == [{"predictions": [0]}, {"predictions": [0]}]


@pytest.mark.req("REQ-051")
def test_s0_format_content_type_is_understood(served: RunningInstance) -> None:
    row = [{"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}]
    url = uri(served, "iris-classifier")
    assert post(served, url, json.dumps(row), "application/json; format=pandas-records") == [0]
    split = {"columns": list(row[0]), "data": [list(row[0].values())]}
    assert post(served, url, json.dumps(split), "application/json; format=pandas-split") == [0]


# ------------------------------------------------------------------------------------- seed 003, Azure
@pytest.mark.req("REQ-150", "REQ-151")
def test_s3_split(served: RunningInstance) -> None:
    body = """{
"input_data": {
"columns": [
"age", "sex", "trestbps", "chol", "fbs", "restecg", "thalach", "exang", "oldpeak", "slope", "ca", "thal"
],
"index": [1],
"data": [
[1, 1, 145, 233, 1, 2, 150, 0, 2.3, 3, 0, 2]
]
}
}"""
    (answer,) = post(served, uri(served, "heart"), body)
    assert answer == pytest.approx(540.3)


@pytest.mark.req("REQ-152")
def test_s3_tensor_with_the_missing_comma(served: RunningInstance) -> None:
    body = """{
"input_data": [
[1, 1, 0, 233, 1, 2, 150, 0, 2.3, 3, 0, 2],
[1, 1, 0, 233, 1, 2, 150, 0, 2.3, 3, 0, 2]
[1, 1, 0, 233, 1, 2, 150, 0, 2.3, 3, 0, 2],
[1, 1, 145, 233, 1, 2, 150, 0, 2.3, 3, 0, 2]
]
}"""
    assert post(served, uri(served, "heart"), body) == pytest.approx([395.3, 395.3, 395.3, 540.3])


@pytest.mark.req("REQ-153")
def test_s3_named_tensors(served: RunningInstance) -> None:
    body = """{
"input_data": {
"tokens": [
[0, 655, 85, 5, 23, 84, 23, 52, 856, 5, 23, 1]
],
"mask": [
[0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0]
]
}
}"""
    assert post(served, uri(served, "masked"), body) == [1811]


# ------------------------------------------------------------------------------------- seed 004
SPLIT = """{"dataframe_split": {"index": [0, 1], "columns": ["sepal length (cm)", "sepal width (cm)",
"petal length (cm)", "petal width (cm)"], "data": [[5.1, 3.5, 1.4, 0.2], [4.9, 3.0, 1.4, 0.2]]}}"""
RECORDS = """{"dataframe_records": [
{"sepal length (cm)": 5.1, "sepal width (cm)": 3.5, "petal length (cm)": 1.4, "petal width (cm)": 0.2},
{"sepal length (cm)": 4.9, "sepal width (cm)": 3, "petal length (cm)": 1.4, "petal width (cm)": 0.2},
{"sepal length (cm)": 4.7, "sepal width (cm)": 3.2, "petal length (cm)": 1.3, "petal width (cm)": 0.2}]}"""


@pytest.mark.req("REQ-174", "REQ-177")
@pytest.mark.parametrize(("body", "rows"), [(SPLIT, 2), (RECORDS, 3)])
def test_s4_frames(served: RunningInstance, body: str, rows: int) -> None:
    assert post(served, uri(served, "iris-long"), body) == {"predictions": [0] * rows}


@pytest.mark.req("REQ-175")
def test_s4_instances(served: RunningInstance) -> None:
    assert post(served, uri(served, "upper"), '{"instances": ["a","b","c"]}') == {"predictions": ["A", "B", "C"]}
    body = """{"instances": [
{"t1": "a", "t2": [1, 2, 3, 4, 5], "t3": [[1, 2], [3, 4], [5, 6]]},
{"t1": "b", "t2": [6, 7, 8, 9, 10], "t3": [[7, 8], [9, 10], [11, 12]]}]}"""
    assert post(served, uri(served, "shapes"), body) == {"predictions": {"t1": [2], "t2": [2, 5], "t3": [2, 3, 2]}}


@pytest.mark.req("REQ-176")
def test_s4_inputs_with_different_numbers_of_instances(served: RunningInstance) -> None:
    body = """{"inputs": {"t1": ["a", "b"], "t2": [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10], [11, 12, 13, 14, 15]],
"t3": [[[1, 2], [3, 4], [5, 6]], [[7, 8], [9, 10], [11, 12]]]}}"""
    assert post(served, uri(served, "shapes"), body) == {"predictions": {"t1": [2], "t2": [3, 5], "t3": [2, 3, 2]}}


@pytest.mark.req("REQ-171", "REQ-172", "REQ-178")
@pytest.mark.parametrize("prefix", ["model", "model-endpoint"])
def test_s4_curl_by_stage(served: RunningInstance, prefix: str) -> None:
    records = """curl -X POST -u token:$DATABRICKS_API_TOKEN $MODEL_VERSION_URI \\
  -H 'Content-Type: application/json' \\
  -d '{"dataframe_records": [{"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}]}'"""
    tensors = """curl -X POST -u token:$DATABRICKS_API_TOKEN $MODEL_VERSION_URI \\
  -H 'Content-Type: application/json' \\
  -d '{"inputs": [[5.1, 3.5, 1.4, 0.2]]}'"""
    url = f"{served.url}/{prefix}/iris-classifier/Production/invocations"
    for command in (records, tensors):
        assert shell(served, url, command) == {"predictions": [0]}


@pytest.mark.req("REQ-181")
def test_s4_python(served: RunningInstance) -> None:
    sample = S0_PYTHON_1X.replace(
        "data_json = data.to_dict(orient='records') if",
        "data_json = json.dumps({'dataframe_records': data.to_dict(orient='records')}) if",
    )
    answers = python(served, uri(served, "iris-classifier", "Production"), sample)
    assert answers == [{"predictions": [0]}, {"predictions": [0]}]


@pytest.mark.req("REQ-180")
def test_s4_power_bi_chunk(served: RunningInstance) -> None:
    model, frame = zoo.iris(zoo.IRIS_SHORT)
    chunk = json.dumps({"dataframe_records": frame.head(150).to_dict(orient="records")})
    assert post(served, uri(served, "iris-classifier"), chunk)["predictions"] == model.predict(frame).tolist()
