"""Ready-made clients to paste: curl, Python and Power BI (REQ-041 to REQ-043, REQ-180).

A snippet never holds the secret: curl and Python read the token file or ``MODELSERVE_TOKEN``, Power BI a parameter.
curl gets the header on standard input, so that the token does not show in the list of processes either.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from typing import Any, Final

from jupyter_modelserve.client import examples, payload
from jupyter_modelserve.client.address import Address
from jupyter_modelserve.client.results import Text
from jupyter_modelserve.client.sync import Client
from jupyter_modelserve.errors import InvalidParameter

_POWER_BI: Final = """\
// Scores a table with {reference}; adds a column "Prediction".
//  1. Open the data set in Power BI Desktop and choose Transform Data.
//  2. Manage Parameters > New Parameter: MODELSERVE_TOKEN, type Text; its value is a token
//     (`jupyter modelserve token create`).
//  3. Right-click the left pane (Queries) and choose New Query > Blank Query.
//  4. Choose View > Advanced Editor.
//  5. Replace the body of the query by this text.
//  6. Name the query after the model, for example {name}.
//  7. Open the advanced editor of the data set and apply the function: {name}(#"last step").
(dataset as table) as table =>
let
  call_predict = (chunk as table) as list =>
  let
    apiToken = MODELSERVE_TOKEN,
    modelUri = {url},
    answer = Json.Document(Web.Contents(modelUri,
      [
        Headers = [
          #"Content-Type" = "application/json",
          #"Authorization" = Text.Format("Bearer #{{0}}", {{apiToken}})
        ],
        Content = Json.FromValue([dataframe_records = chunk])
      ]
    )),
    responseList = if answer is record then answer[predictions] else answer
  in
    responseList,
  predictionList = List.Combine(List.Transform(Table.Split(dataset, 256), (x) => call_predict(x))),
  predictionsTable = Table.FromList(predictionList, (x) => {{x}}, {{"Prediction"}}),
  datasetWithPrediction = Table.Join(
    Table.AddIndexColumn(predictionsTable, "index"), "index",
    Table.AddIndexColumn(dataset, "index"), "index")
in
  datasetWithPrediction
"""

_PYTHON: Final = """\
import json
{imports}
import urllib.request

token = {secret}
body = json.loads({body!r})
request = urllib.request.Request(
    {url!r},
    data=json.dumps(body).encode(),
    headers={{"Authorization": f"Bearer {{token}}", "Content-Type": "application/json"}},
)
with urllib.request.urlopen(request) as response:
    print(json.load(response)["predictions"])
"""


def snippet(client: Client, reference: str, language: str, data: Any = None) -> Text:
    """A client for *reference* in *language*.

    Raises:
        InvalidParameter: unknown language, data that JSON cannot express, or no data and no input example.
        NotFound: nothing is called so.
    """
    makers: dict[str, Callable[[Address, str, str, str], str]] = {"curl": curl, "python": python, "powerbi": power_bi}
    if language not in makers:
        raise InvalidParameter(f"no snippet for {language!r}; use curl, python or powerbi", details={"field": "as"})
    url = client.url + client.path_of(reference)
    body = "" if language == "powerbi" else _body(client, reference, data)
    return Text("snippet", makers[language](client.address, reference, url, body).rstrip("\n"), language)


def _body(client: Client, reference: str, data: Any) -> str:
    if data is None:
        return examples.body(client, reference)
    rows = payload.prepare(data)
    return json.dumps(rows.body(0, min(rows.count, 2)), ensure_ascii=False)


def curl(address: Address, _reference: str, url: str, body: str) -> str:
    """A line for a POSIX shell; ``'`` in the body is quoted."""
    source = f'"$(cat {shlex.quote(str(address.token_file))})"' if address.token_file else '"$MODELSERVE_TOKEN"'
    return (
        f"printf 'Authorization: Bearer %s' {source} | curl -sS -H @- -H 'Content-Type: application/json' "
        f"-d {shlex.quote(body)} {shlex.quote(url)}"
    )


def python(address: Address, _reference: str, url: str, body: str) -> str:
    """A script that needs nothing but the standard library."""
    imports, where = "import os", 'os.environ["MODELSERVE_TOKEN"]'
    if address.token_file:
        imports, where = "import pathlib", f"pathlib.Path({str(address.token_file)!r}).read_text().strip()"
    return _PYTHON.format(imports=imports, secret=where, body=body, url=url)


def power_bi(_address: Address, reference: str, url: str, _body: str) -> str:
    """The M function with its steps (REQ-042): chunks of 256 rows; reads ``predictions`` or a bare list."""
    name = "".join(character if character.isalnum() else "_" for character in reference)
    return _POWER_BI.format(reference=reference, name=name, url='"' + url.replace('"', '""') + '"')
