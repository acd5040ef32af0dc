"""Ten thousand models: the first rows come soon, scrolling stays smooth, the keyboard reaches everything."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.lab import Lab, started_lab
from tests.support.instance import RunningInstance, started_instance

pytestmark = [pytest.mark.browser, pytest.mark.slow]
MODELS = 10_000
CATALOGS = 10


@pytest.fixture(scope="module")
def instance() -> Iterator[RunningInstance]:
    """An instance of its own with many models, as MLflow would have written them."""
    with started_instance("ms-many-") as found:
        found.wait_for_mlflow()
        now = int(time.time() * 1000)
        names = [
            f"model_{n:05}" if n % 2 else f"catalog_{n % CATALOGS}.schema_{n % 100:02}.model_{n:05}"
            for n in range(MODELS)
        ]
        with sqlite3.connect(found.paths.database, timeout=60) as database:
            database.executemany(
                "INSERT INTO registered_models (name, creation_time, last_updated_time, workspace) VALUES (?, ?, ?, ?)"
                if _has_workspace(database)
                else "INSERT INTO registered_models (name, creation_time, last_updated_time) VALUES (?, ?, ?)",
                [(name, now, now, "default")[: 4 if _has_workspace(database) else 3] for name in names],
            )
        yield found


def _has_workspace(database: sqlite3.Connection) -> bool:
    return any(row[1] == "workspace" for row in database.execute("PRAGMA table_info(registered_models)"))


@pytest.fixture(scope="module")
def lab(instance: RunningInstance) -> Iterator[Lab]:
    """A JupyterLab of its own in front of it, without a prefix."""
    with started_lab(instance.home, "/") as found:
        yield found


def test_ten_thousand_models_are_shown_searched_and_scrolled(page: Any, panel: Any, expect: Any) -> None:
    tree = panel.get_by_role("tree", name="Models")
    tree.get_by_role("treeitem").first.wait_for(timeout=60_000)
    seconds = page.evaluate(
        """async () => {
            const rows = () => document.querySelectorAll('.jp-modelserve-panel [role=treeitem]').length;
            const started = performance.now();
            window.jupyterapp.commands.execute('modelserve:refresh');
            await window.jupyterapp.commands.execute('modelserve:refresh');
            while (!rows()) await new Promise(requestAnimationFrame);
            return (performance.now() - started) / 1000;
        }"""
    )
    print(f"{MODELS} models read and drawn twice in {seconds:.2f} s")
    expect(panel.get_by_role("button", name=f"Models {MODELS}")).to_be_visible()
    assert seconds < 10, "about a second on a machine that does nothing else"
    drawn = tree.get_by_role("treeitem").count()
    assert 5 < drawn < 200, "only the rows in sight are drawn"
    frames = page.evaluate(
        """async () => {
            const tree = document.querySelector('.jp-modelserve-tree');
            const times = [];
            for (let n = 0; n < 60; n++) {
                const before = performance.now();
                tree.scrollTop = (tree.scrollHeight * n) / 60;
                await new Promise(requestAnimationFrame);
                await new Promise(requestAnimationFrame);
                times.push(performance.now() - before);
            }
            return times.sort((a, b) => a - b);
        }"""
    )
    print(f"two frames after a jump: median {frames[30]:.0f} ms, 95% {frames[57]:.0f} ms")
    assert frames[30] < 200
    tree.focus()
    page.keyboard.press("End")
    last = panel.get_by_role("treeitem", name=f"model_{MODELS - 1:05}")
    expect(last).to_be_visible()
    expect(last).to_have_attribute("aria-setsize", str(MODELS // 2))
    expect(tree).to_have_attribute("aria-activedescendant", last.get_attribute("id") or "?")
    page.keyboard.press("Home")
    page.keyboard.type("sch")
    expect(panel.get_by_role("treeitem", selected=True)).to_contain_text("schema_")
    panel.get_by_role("searchbox").fill("04998")
    expect(tree.get_by_role("treeitem")).to_have_count(3)
    expect(tree).to_contain_text("model_04998")
