"""``python -m jupyter_modelserve.controller.environments.reaching``: whether a build could have a package now.

For ``doctor``. uv itself is asked for one small package with exactly the configuration that a build has, so that
certificates, proxies, credentials and wheel directories count as they do there. Prints JSON: ``{"problem", "hint"}``.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from jupyter_modelserve.controller.environments import EnvironmentFailed
from jupyter_modelserve.controller.environments.build import find_uv
from jupyter_modelserve.controller.environments.declared import Declared
from jupyter_modelserve.controller.environments.explain import explain
from jupyter_modelserve.controller.environments.pipconfig import build_environ, no_index
from jupyter_modelserve.controller.environments.redaction import redact
from jupyter_modelserve.settings import Paths, Settings

PACKAGE: Final = "packaging"
"""Small, pure Python, and a dependency of nearly everything: an index that lacks it serves no model."""
_SECONDS: Final = 12.0
_QUICK: Final = {"UV_HTTP_TIMEOUT": "4", "UV_HTTP_RETRIES": "0"}
_CAUSE: Final = re.compile(r"^\s*cause: (.+)$", re.MULTILINE | re.IGNORECASE)
_CACHE: Final = "--no-cache"
"""What uv remembers of an index says nothing about whether it answers now."""


def main() -> None:
    """Ask once."""
    parser = argparse.ArgumentParser(prog=f"python -m {__spec__.name}", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    problem, hint = reach(Settings.load(Paths(parser.parse_args().home).home))
    sys.stdout.write(json.dumps({"problem": problem, "hint": hint}))


def reach(settings: Settings) -> tuple[str, str]:
    """Why a package cannot be had, and what to do; both empty when one can."""
    environ = {**build_environ(settings, Declared("", ()), os.environ), **_QUICK}
    try:
        command = [find_uv(), "pip", "compile", "--no-deps", "--no-header", _CACHE, *no_index(environ), "-"]
        done = subprocess.run(
            command, input=PACKAGE, capture_output=True, text=True, timeout=_SECONDS, check=False, env=environ
        )
    except EnvironmentFailed as error:
        return error.failure.message, error.failure.hint
    except subprocess.TimeoutExpired:
        return f"no answer in {_SECONDS:g} s", "Check the network, proxy and the index in pip's configuration."
    if done.returncode == 0:
        return "", ""
    failure = explain(done.stderr.splitlines())
    causes = _CAUSE.findall(done.stderr)
    return f"{failure.message} ({redact(causes[-1])})" if causes else failure.message, failure.hint


if __name__ == "__main__":
    main()
