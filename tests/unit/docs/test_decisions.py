"""Decisions that a program can check still hold."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_the_controller_never_imports_mlflow() -> None:
    code = "import sys, jupyter_modelserve.controller.main; print('mlflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_every_record_has_context_choice_and_cost() -> None:
    text = (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8")
    records = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    assert len(records) >= 12
    for record in records:
        found = re.findall(r"\*(\w+)\.\*", record)
        assert found == ["Context", "Choice", "Cost"], record.splitlines()[0]
