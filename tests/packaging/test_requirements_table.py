"""The table of requirements counts only what passed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import requirements_table


def test_all_requirements_are_known_by_title() -> None:
    entries = requirements_table.load()
    assert list(entries) == [f"REQ-{number:03d}" for number in range(1, 199)]
    assert all(entry["title"] for entry in entries.values())
    assert all(set(entry) <= {"title", "document", "not_applicable"} for entry in entries.values())


def test_documents_exist() -> None:
    for number, entry in requirements_table.load().items():
        if "document" in entry:
            path = Path(requirements_table.ROOT, entry["document"].partition("#")[0])
            assert path.is_file(), f"{number}: {path}"


def report(test: str, outcome: str, when: str = "call") -> pytest.TestReport:
    return pytest.TestReport(test, ("", 0, ""), {}, outcome, None, when)  # type: ignore[arg-type]


def test_only_passed_tests_prove() -> None:
    table = requirements_table.RequirementsTable({"REQ-001": {"title": "a"}})
    table.marks = dict.fromkeys(("good", "bad", "skipped", "teardown"), ("REQ-001",))
    for test, outcome in (("good", "passed"), ("bad", "failed"), ("skipped", "skipped"), ("teardown", "passed")):
        table.pytest_runtest_logreport(report(test, outcome))
    table.pytest_runtest_logreport(report("teardown", "failed", "teardown"))
    assert table.proofs() == {"REQ-001": ["good"]}


def test_the_table_tells_the_four_ways() -> None:
    entries = {
        "REQ-001": {"title": "a"},
        "REQ-002": {"title": "b", "document": "docs/x.md"},
        "REQ-003": {"title": "c", "not_applicable": "it is old"},
        "REQ-004": {"title": "d"},
    }
    text = requirements_table.render(entries, {"REQ-001": ["tests/t.py::t"]})
    assert "| REQ-001 | a | `tests/t.py::t` |" in text
    assert "met by docs/x.md" in text
    assert "not applicable because it is old" in text
    assert "| REQ-004 | d | – |" in text
