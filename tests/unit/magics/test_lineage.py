"""``%lineage``: what a line asks for, and what it shows."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from IPython.core.error import UsageError

from jupyter_modelserve.client import lineage_verbs
from jupyter_modelserve.client.lineage_results import LineageView
from jupyter_modelserve.magics.failure import MagicFailure
from jupyter_modelserve.traced import Lineage, LineageNode, NodeType
from jupyter_modelserve.types import to_json
from tests.unit.client.samples import Instance

ANSWER = Lineage(("version:iris/1",), (LineageNode("version:iris/1", NodeType.VERSION, "iris 1"),))


@pytest.fixture
def asked(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked of lineage; the stand-in answers everything else."""
    found: list[str] = []
    ordinary = Instance._api

    def answer(self: Instance, request: httpx.Request, parts: list[str]) -> httpx.Response:
        if parts[-1] in {"lineage", "openlineage"}:
            found.append(str(request.url).partition("/v1/")[2])
            return httpx.Response(200, json=to_json(ANSWER) if parts[-1] == "lineage" else {"events": [{"a": 1}]})
        return ordinary(self, request, parts)

    monkeypatch.setattr(Instance, "_api", answer)
    return found


@pytest.mark.req("REQ-083")
def test_references_become_versions(shell: Any, instance: Instance, asked: list[str]) -> None:
    alias, number = next(iter(instance.models[0].aliases.items()))
    for line in ("iris/1 --direction upstream", f"iris@{alias} --history", "iris"):
        assert isinstance(shell.run_line_magic("lineage", line), LineageView)
    assert asked == [
        "models/iris/versions/1/lineage?direction=upstream",
        f"models/iris/versions/{number}/lineage?direction=both&history=true",
        "models/iris/lineage?direction=both",
    ]
    assert lineage_verbs.open_lineage("iris/1") == [{"a": 1}]


def test_what_is_wrong_is_said(shell: Any, asked: list[str]) -> None:
    with pytest.raises(UsageError):
        shell.run_line_magic("lineage", "iris/1 --direction sideways")
    with pytest.raises(MagicFailure, match="no version under 'Nobody'"):
        shell.run_line_magic("lineage", "iris@Nobody")
    assert asked == []
