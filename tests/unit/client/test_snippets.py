"""Ready-made clients: they work as pasted, hold no secret, and follow the steps of the sources."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from jupyter_modelserve.client import snippets
from jupyter_modelserve.client.address import Address
from jupyter_modelserve.client.sync import Client
from jupyter_modelserve.errors import InvalidParameter
from tests.unit.client.samples import ADDRESS, TOKEN, URL, Instance


class _Recorder(HTTPServer):
    seen: list[tuple[str, str, bytes]]


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        assert isinstance(self.server, _Recorder)
        self.server.seen.append((self.path, self.headers["authorization"], body))
        answer = b'{"predictions": [1]}'
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def server() -> Iterator[_Recorder]:
    found = _Recorder(("127.0.0.1", 0), _Handler)
    found.seen = []
    thread = threading.Thread(target=found.serve_forever)
    thread.start()
    yield found
    found.shutdown()
    thread.join()
    found.server_close()


@pytest.fixture
def address(server: _Recorder, tmp_path: Path) -> Address:
    file = tmp_path / "it's a token"
    file.write_text(TOKEN + "\n")
    return Address(f"http://127.0.0.1:{server.server_port}", TOKEN, token_file=file)


BODY = json.dumps({"dataframe_records": [{"it's (cm)": 1.5, "π": "$HOME `x`"}]}, ensure_ascii=False)


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
@pytest.mark.parametrize("from_file", [True, False])
def test_curl_works_as_pasted(address: Address, server: _Recorder, from_file: bool) -> None:
    chosen = address if from_file else replace(address, token_file=None)
    line = snippets.curl(chosen, "iris", f"{address.url}/model/iris/1/invocations", BODY)
    environ = os.environ | {"MODELSERVE_TOKEN": TOKEN}
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=30, check=True, env=environ)
    assert json.loads(done.stdout) == {"predictions": [1]}
    assert server.seen == [("/model/iris/1/invocations", f"Bearer {TOKEN}", BODY.encode())]
    assert TOKEN not in line


@pytest.mark.parametrize("from_file", [True, False])
def test_python_works_as_pasted(address: Address, server: _Recorder, from_file: bool) -> None:
    chosen = address if from_file else replace(address, token_file=None)
    text = snippets.python(chosen, "iris", f"{address.url}/model/iris/1/invocations", BODY)
    environ = os.environ | {"MODELSERVE_TOKEN": TOKEN}
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=30, env=environ, check=False
    )
    assert done.stdout == "[1]\n", done.stderr
    assert server.seen[0][1] == f"Bearer {TOKEN}"
    assert json.loads(server.seen[0][2]) == json.loads(BODY)
    assert TOKEN not in text


@pytest.mark.req("REQ-041", "REQ-042", "REQ-043", "REQ-180")
def test_power_bi_has_steps_chunks_and_unwraps() -> None:
    text = str(snippets.snippet(Instance().client(), "iris@Champion", "powerbi"))
    assert f'modelUri = "{URL}/model/iris/Champion/invocations"' in text
    assert "Table.Split(dataset, 256)" in text
    assert "Json.FromValue([dataframe_records = chunk])" in text
    assert "if answer is record then answer[predictions] else answer" in text
    assert [step for step in range(1, 8) if f"//  {step}. " in text] == list(range(1, 8))
    for words in (
        "Transform Data",
        "New Query",
        "Advanced Editor",
        "Name the query after the model",
        "apply the function",
    ):
        assert words in text
    assert text.count("(") == text.count(")")
    assert text.count("{") == text.count("}")
    assert TOKEN not in text


def test_the_models_own_example_is_the_body() -> None:
    instance = Instance()
    text = str(snippets.snippet(instance.client(), "iris@Champion", "curl"))
    assert '{"dataframe_split": {"columns": ["a"], "data": [[1], [2]]}}' in text
    assert instance.requests[-1].url.path.endswith("/artifacts/0/models/m-1/artifacts/serving_input_example.json")


def test_given_data_is_the_body() -> None:
    assert '{"inputs": [[1], [2]]}' in str(snippets.snippet(Instance().client(), "iris", "curl", [[1], [2], [3]]))


def test_unknown_language_and_missing_example() -> None:
    with pytest.raises(InvalidParameter, match="curl, python or powerbi"):
        snippets.snippet(Instance().client(), "iris", "cobol")
    instance = Instance()
    found = instance.models[0]
    instance.models = [replace(found, versions=tuple(replace(each, location="/somewhere") for each in found.versions))]
    with pytest.raises(InvalidParameter, match="without an input example"):
        snippets.snippet(Client(ADDRESS, transport=instance.transport), "iris", "curl")
