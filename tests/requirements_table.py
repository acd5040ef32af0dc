"""pytest plugin: which requirement is proved by which tests that passed.

A test names what it proves with ``@pytest.mark.req("REQ-031")``. At the end of a run the table goes to
``build/requirements.md``. Only a passed test counts; what no test can prove is met by a document or does not apply, and
``docs/reference/requirements.toml`` says so with its reason. A number that does not exist fails the collection, so that
a typing error cannot pass for a proof.
"""

from __future__ import annotations

import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "docs" / "reference" / "requirements.toml"
TABLE = ROOT / "build" / "requirements.md"


def load(source: Path = SOURCE) -> dict[str, dict[str, Any]]:
    """Requirement number to its entry: title, and maybe ``document`` or ``not_applicable``."""
    entries: dict[str, dict[str, Any]] = tomllib.loads(source.read_text(encoding="utf-8"))
    return entries


class RequirementsTable:
    """Collects marks and outcomes of one run."""

    def __init__(self, entries: dict[str, dict[str, Any]], table: Path = TABLE) -> None:
        self.entries = entries
        self.table = table
        self.marks: dict[str, tuple[str, ...]] = {}
        self.failed: set[str] = set()
        self.passed: set[str] = set()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Read the marks and refuse unknown numbers."""
        unknown = []
        for item in items:
            ids = tuple(number for mark in item.iter_markers("req") for number in mark.args)
            unknown += [f"{item.nodeid}: {number}" for number in ids if number not in self.entries]
            if ids:
                self.marks[item.nodeid] = ids
        if unknown:
            raise pytest.UsageError("unknown requirements:\n  " + "\n  ".join(unknown))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the outcome; xdist sends its workers' reports here too, so the controller's table is whole."""
        if report.failed:
            self.failed.add(report.nodeid)
        elif report.when == "call" and report.passed and not hasattr(report, "wasxfail"):
            self.passed.add(report.nodeid)
        if report.when == "setup":
            ids = dict(report.user_properties).get("requirements")
            if ids:
                self.marks[report.nodeid] = tuple(str(ids).split())

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Carry the numbers in the report, for a controller that collected nothing itself."""
        ids = self.marks.get(item.nodeid)
        if ids:
            item.user_properties.append(("requirements", " ".join(ids)))

    def proofs(self) -> dict[str, list[str]]:
        """Requirement number to the tests that proved it; one that failed anywhere proves nothing."""
        found: dict[str, list[str]] = defaultdict(list)
        for test in sorted(self.passed - self.failed):
            for number in self.marks.get(test, ()):
                found[number].append(test)
        return found

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the table, except in a worker of xdist."""
        if hasattr(session.config, "workerinput") or session.config.option.collectonly:
            return
        self.table.parent.mkdir(parents=True, exist_ok=True)
        self.table.write_text(render(self.entries, self.proofs()), encoding="utf-8")


def render(entries: dict[str, dict[str, Any]], proofs: dict[str, list[str]]) -> str:
    """The table in Markdown: every requirement, proved or not."""
    rows = []
    counts: dict[str, int] = defaultdict(int)
    for number, entry in entries.items():
        tests = proofs.get(number, [])
        if tests:
            kind, how = "proved by tests", "<br>".join(f"`{test}`" for test in tests)
        elif "document" in entry:
            kind, how = "met by a document", f"met by {entry['document']}"
        elif "not_applicable" in entry:
            kind, how = "not applicable", f"not applicable because {entry['not_applicable']}"
        else:
            kind, how = "open", "–"
        counts[kind] += 1
        rows.append(f"| {number} | {entry['title']} | {how} |")
    summary = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
    head = ["# Requirements of the last test run", "", f"{len(entries)} requirements: {summary}.", ""]
    return "\n".join([*head, "| requirement | what | proof |", "|---|---|---|", *rows, ""])


def pytest_configure(config: pytest.Config) -> None:
    """Register the table for this run."""
    if not config.pluginmanager.has_plugin("requirements-table"):
        config.pluginmanager.register(RequirementsTable(load()), "requirements-table")
