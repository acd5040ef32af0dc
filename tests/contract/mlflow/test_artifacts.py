"""300 MB go through the child in both directions without being held in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import psutil
import pytest

from tests.contract.mlflow.conftest import Child

_CHUNK = bytes(range(256)) * 4096
_CHUNKS = 300
_ALLOWED = 60 * 1024 * 1024


class _Peak:
    """The highest resident memory of a process among the moments that were looked at."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self.before = self._process.memory_info().rss
        self.highest = self.before

    def look(self) -> None:
        self.highest = max(self.highest, self._process.memory_info().rss)

    @property
    def growth(self) -> int:
        return int(self.highest - self.before)


@pytest.mark.slow
@pytest.mark.parametrize("prefix", ["/api/2.0", "/ajax-api/2.0"])
def test_large_artifacts_stream(child: Child, prefix: str) -> None:
    if prefix == "/ajax-api/2.0":
        address = f"{prefix}/mlflow-artifacts/artifacts/0/big.bin"
        answer = child.http.put(address, content=b"x")
        # Not in the table of addresses: MLflow's own pages are not served.
        assert answer.status_code == 404
        return
    address = f"{prefix}/mlflow-artifacts/artifacts/0/models/big.bin"
    peak = _Peak(child.pid)
    sent, got = hashlib.sha256(), hashlib.sha256()

    def body() -> Iterator[bytes]:
        for _ in range(_CHUNKS):
            sent.update(_CHUNK)
            peak.look()
            yield _CHUNK

    assert child.http.put(address, content=body(), timeout=120).status_code == 200
    assert (child.paths.artifacts / "0" / "models" / "big.bin").stat().st_size == _CHUNKS * len(_CHUNK)
    with child.http.stream("GET", address, timeout=120) as answer:
        assert answer.status_code == 200
        for piece in answer.iter_raw():
            got.update(piece)
            peak.look()
    assert got.digest() == sent.digest()
    assert peak.growth < _ALLOWED, f"memory grew by {peak.growth >> 20} MiB"


@pytest.mark.parametrize("path", ["../registry.db", "0/../../registry.db", "%2e%2e/registry.db", "/etc/hostname"])
def test_artifact_paths_stay_in_the_artifact_directory(child: Child, path: str) -> None:
    answer = child.http.get(f"/api/2.0/mlflow-artifacts/artifacts/{path}")
    assert answer.status_code in {400, 404}
    assert b"SQLite" not in answer.content
