"""From windows to tables: ratios inside a round, medians over rounds, what was asked against what was found."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from benchmarks import expected, models, page, report

BASE, PYFUNC, DIRECT = report.BASE, report.PYFUNC, report.DIRECT


def window(server: str, round_: int, rps: float, clients: int = 16, **changed: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "server": server, "model": "lr", "kind": models.ONE, "clients": clients, "round": round_, "rps": rps,
        "p50": 1.0, "p99": 2.0, "requests": 100, "failures": 0, "cpu": {"gateway": 20.0, "worker": 30.0, "idle": 9.0},
        "load_cpu": 7.0, "foreign": 0.0, "generator": "wrk", "first_failure": "",
    }  # fmt: skip
    return made | changed


def found(*windows: dict[str, Any]) -> dict[str, Any]:
    machine = {"cpus": "2 × X", "memory": "4 GiB", "system": "Linux 6", "python": "3.11.0"}
    run = {"command": "make bench", "made": "2026-01-01 00:00", "machine": machine, "versions": {"mlflow": "3.17"}}
    parts: dict[str, Any] = {"checks": [], "memory": [], "missing": {}, "seconds": 2.0, "rounds": 2, "took": 60}
    return {**run, **parts, "windows": list(windows)}


def test_a_ratio_is_taken_inside_a_round() -> None:
    # The machine was twice as fast in the second round: each ratio is 10, though the medians differ from one.
    run = found(window(BASE, 0, 100), window(BASE, 1, 200), window(PYFUNC, 0, 1000), window(PYFUNC, 1, 2000))
    assert report.ratios(run, PYFUNC, BASE, "lr", models.ONE, 16) == [10.0, 10.0]


def test_a_round_without_its_base_has_no_ratio() -> None:
    stalled = window(BASE, 2, 0.0, requests=0)
    run = found(window(BASE, 0, 100), stalled, *(window(PYFUNC, number, 300) for number in range(3)))
    assert report.ratios(run, PYFUNC, BASE, "lr", models.ONE, 16) == [3.0]


def test_windows_of_the_two_generators_are_kept_apart() -> None:
    ours = window(DIRECT, 0, 50, clients=1, generator="ours", p50=0.5)
    run = found(window(DIRECT, 0, 100, clients=1), ours, window(DIRECT, 0, 9))
    socket = window(f"{DIRECT}, worker's socket", 0, 60, clients=1, generator="ours", p50=0.42)
    run["windows"].append(socket)
    assert [each["rps"] for each in report.windows(run, DIRECT, "lr", models.ONE, 1)] == [100]
    cost = report.added(run)
    assert cost is not None
    assert cost.p50 == pytest.approx([0.08])
    assert cost.cpu == [20.0]


def test_the_spread_is_shown() -> None:
    assert report.spread([3.0, 1.0, 2.0]) == "2.0 (1.0–3.0)"
    assert report.spread([1234.5]) == "1,234"
    assert report.spread([]) == "–"


def test_failures_are_shown() -> None:
    run = found(window(BASE, 0, 100, failures=3))
    assert "**3 failures**" in report.render(run)


def test_what_is_idle_is_not_in_the_cost() -> None:
    run = found(window(BASE, 0, 100, cpu={"server": 900.0}), window(PYFUNC, 0, 1000))
    run["memory"] = [{"server": PYFUNC, "model": "lr", "parts": {"gateway": {"pss": 30}, "idle": {"pss": 500}}}]
    row = next(line for line in report.costs(run).splitlines() if PYFUNC in line)
    assert "20 + 30" in row
    assert row.endswith("| 30 |")


@pytest.mark.parametrize(("rps", "holds"), [(1499.0, False), (1501.0, True)])
def test_an_expectation_is_met_or_not(rps: float, holds: bool) -> None:
    run = found(window(BASE, 0, 100), window(PYFUNC, 0, rps))
    (verdict,) = expected.verdicts(run, None)
    assert (verdict.wanted, verdict.holds) == ("≥ 15×", holds)
    assert ("**no**" in expected.render(run, None)) is not holds


def test_the_closest_peer_counts() -> None:
    slow, fast = window("Slow", 0, 10), window("Fast", 0, 100)
    run = found(window(BASE, 0, 50), window(PYFUNC, 0, 290), window(DIRECT, 0, 310), slow, fast)
    verdicts = list(expected.verdicts(None, run))
    assert [("Fast" in each.what, each.holds) for each in verdicts] == [(True, False), (True, True)]


def test_a_missing_peer_is_named() -> None:
    run = found(window(BASE, 0, 50)) | {"missing": {"Peer": "cannot be installed here"}}
    assert "- Peer: cannot be installed here" in report.render(run)


def test_figures_survive_writing() -> None:
    run = found(window(BASE, 0, 100.123456))
    text = report.dump({"bench": run})
    assert json.loads(text)["bench"]["windows"][0]["rps"] == 100.1
    assert len(text.splitlines()) < 40


# ---------------------------------------------------------------------------------------------------- the page
def figures() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(page.FIGURES.read_text(encoding="utf-8"))
    return read


def test_the_page_says_what_was_measured() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    assert page.filled(text, figures()) == text, "run: python -m benchmarks page"
    assert set(re.findall(r"<!-- begin (\w+) -->", text)) == set(page.sections(figures()))


def test_what_was_missed_is_explained() -> None:
    run = figures()
    text = page.PAGE.read_text(encoding="utf-8").partition("\n## Missed")[2]
    missed = [each.what for each in expected.verdicts(run.get("bench"), run.get("peers")) if not each.holds]
    assert [each for each in missed if each not in text] == []


def test_nothing_that_was_measured_failed() -> None:
    for run in figures().values():
        assert sum(each["failures"] for each in run["windows"] if each["server"].startswith("ours")) == 0
        assert sum(each["wrong"] for each in run["checks"]) == 0
