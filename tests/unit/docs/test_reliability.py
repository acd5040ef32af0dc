"""The page of figures is what the runs said, the newest first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts import reliability
from tests.chaos import figures

LINES = [
    "requests 2001, failed 3, by status {200: 1998, 503: 3}",
    "latency p50 2.0 ms, p99 9.5 ms, longest gap 0.52 s, answered by {'1': 1998}",
    "  at 0.40 s, answered 0.53 s: 503 one of the failures",
    "back after 2.5 s",
]


ENGINES = {"test_r1[docker]": "docker"}


def run(path: Path, date: str, outcome: str = "passed", engines: dict[str, str] = ENGINES) -> None:
    outcomes = {"test_r1": outcome, "test_r1[docker]": "passed", "test_interrupted": "not run"}
    figures.write(path, outcomes, {"test_r1": LINES}, True, engines)
    found = json.loads(path.read_text()) | {"date": date}
    path.write_text(json.dumps(found))


def test_a_run_becomes_the_first_section_and_few_earlier_ones_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "build").mkdir()
    monkeypatch.setattr(reliability, "ROOT", tmp_path)
    monkeypatch.setattr(reliability, "PAGE", tmp_path / "reliability.md")
    assert reliability.main([]) == 1
    for day in range(1, 7):
        run(tmp_path / "build" / "reliability-long.json", f"2001-01-0{day}", "failed" if day == 6 else "passed")
        assert reliability.main([]) == 0
    text = (tmp_path / "reliability.md").read_text()
    assert [line.split()[3] for line in text.splitlines() if line.startswith("## ")] == [
        "2001-01-06,",
        "2001-01-05,",
        "2001-01-04,",
        "2001-01-03,",
        "2001-01-02,",
    ]
    assert "| `test_r1` | failed | 2,001 | 3 | 2.0 | 9.5 | 0.52 | back after 2.5 s |" in text
    processes, containers = text.split("2001-01-05")[0].split("### Models in containers")
    assert "| `test_interrupted` | not run |  |  |  |  |  |  |" in processes
    assert "| `test_r1[docker]` | passed |  |  |  |  |  |  |" in containers
    assert "`test_r1`" not in containers
    assert "By `make chaos`: 1 of 3 scenarios passed" in processes


@pytest.mark.parametrize(("engine", "shown"), [("docker", "in containers"), ("process", "as processes")])
def test_a_run_on_one_engine_says_so(tmp_path: Path, engine: str, shown: str) -> None:
    source = tmp_path / "figures.json"
    run(source, "2001-01-01", engines=dict.fromkeys(("test_r1", "test_r1[docker]", "test_interrupted"), engine))
    text = reliability.page(json.loads(source.read_text()), "")
    assert f"By `make chaos ENGINE={engine}`: 2 of 3 scenarios passed" in text
    assert [line for line in text.splitlines() if line.startswith("###")] == [f"### Models {shown}"]


def test_figures_of_before_there_were_two_engines_are_those_of_processes(tmp_path: Path) -> None:
    source = tmp_path / "figures.json"
    run(source, "2001-01-01")
    found = json.loads(source.read_text())
    for each in found["scenarios"].values():
        del each["engine"]
    text = reliability.page(found, "# Figures\n\n## Run of old times\n\nas it was\n")
    assert "### Models as processes" in text
    assert "### Models in containers" not in text
    assert text.endswith("## Run of old times\n\nas it was\n")
