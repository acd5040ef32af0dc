"""A Docker engine of a test's own, which may be killed: in a network namespace of its own, with its own directories."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from jupyter_modelserve.controller.engines.base import EngineError
from jupyter_modelserve.controller.engines.docker.client import DockerClient


@dataclass
class SecondEngine:
    """``start``, ``stop`` and ``kill`` it as often as wanted; :meth:`end` removes everything.

    It has no network, so no image can be built in it that needs one: :meth:`load` what the machine's engine has built.
    ``live_restore`` counts from the next start on. Its directories are in memory, because removing an image of many
    files from a disk takes longer than a test.
    """

    live_restore: bool
    place: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="msdockerd-")))
    process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        """Its address."""
        return f"unix://{self.place}/docker.sock"

    def start(self, seconds: float = 60.0) -> None:
        """Start it and wait until it answers."""
        if not os.path.ismount(self.place):
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8g,mode=0711", "second", str(self.place)], check=True)
        for name in ("docker.pid", "exec/containerd/containerd.pid"):
            self._forget_dead(self.place / name)
        options = ["--live-restore"] if self.live_restore else []
        directories = [f"--data-root={self.place}/data", f"--exec-root={self.place}/exec"]
        command = ["dockerd", f"--host={self.host}", f"--pidfile={self.place}/docker.pid", *directories, *options]
        command += ["--bridge=none", "--iptables=false", "--ip6tables=false"]
        with (self.place / "log").open("ab") as log:
            self.process = subprocess.Popen(
                ["unshare", "--net", *command], stdout=log, stderr=log, start_new_session=True
            )
        until = time.monotonic() + seconds
        while not self.answers():
            assert time.monotonic() < until, (self.place / "log").read_text()[-2000:]
            assert self.process.poll() is None, (self.place / "log").read_text()[-2000:]
            time.sleep(0.1)

    def _forget_dead(self, pidfile: Path) -> None:
        # Its containerd dies with the daemon. Where nobody reaps orphans it stays a zombie, which looks alive.
        try:
            state = Path(f"/proc/{int(pidfile.read_text())}/stat").read_text().rpartition(")")[2].split()[0]
        except (OSError, ValueError):
            state = "X"
        if state in "ZX":
            pidfile.unlink(missing_ok=True)

    def answers(self) -> bool:
        """Whether it answers now."""
        client = DockerClient(self.host)
        try:
            client.blocking(lambda api: api.ping())
        except EngineError:
            return False
        finally:
            client.close()
        return True

    def load(self, *images: str) -> None:
        """Bring images of the machine's engine here, under the same ids and names."""
        save = subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE)
        try:
            subprocess.run(["docker", "--host", self.host, "load"], stdin=save.stdout, capture_output=True, check=True)
        finally:
            save.communicate()

    def kill(self) -> None:
        """``kill -9`` of the daemon alone."""
        assert self.process is not None
        os.kill(int((self.place / "docker.pid").read_text()), signal.SIGKILL)
        self.process.wait(20)

    def stop(self, seconds: float = 60.0) -> None:
        """End it in an orderly way, as ``systemctl stop docker`` does."""
        assert self.process is not None
        os.kill(int((self.place / "docker.pid").read_text()), signal.SIGTERM)
        self.process.wait(seconds)

    def end(self) -> None:
        """Stop it with all that it runs, containerd included, and remove its directories."""
        for name in ("docker.pid", "exec/containerd/containerd.pid"):
            try:
                os.kill(int((self.place / name).read_text()), signal.SIGTERM)
            except (OSError, ValueError):
                continue
        if self.process is not None:
            self.process.wait(60)
        self._end_containers()
        for _ in range(50):
            subprocess.run(
                ["sh", "-c", f"grep -o '{self.place}[^ ]*' /proc/mounts | sort -r | xargs -r umount -l"], check=False
            )
            shutil.rmtree(self.place, ignore_errors=True)
            if not self.place.exists():
                return
            time.sleep(0.1)

    def _end_containers(self) -> None:
        # With live-restore they outlive the daemon, each below a shim that names our directory.
        for process in psutil.process_iter(["cmdline"]):
            if any(str(self.place) in each for each in process.info["cmdline"] or []):
                for each in _with_children(process):
                    with suppress(psutil.Error):
                        each.kill()


def _with_children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [*process.children(recursive=True), process]
    except psutil.Error:
        return []
