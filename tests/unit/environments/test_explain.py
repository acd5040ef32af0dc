"""What uv prints becomes one sentence that names the package."""

from __future__ import annotations

import pytest

from jupyter_modelserve.controller.environments.explain import explain
from jupyter_modelserve.types import Cause

NO = "error: No solution found when resolving dependencies\n  cause: "
SO = ", we can conclude that your requirements are unsatisfiable."
RESOLVE, BUILD = Cause.REQUIREMENT_UNRESOLVABLE, Cause.BUILD_FAILED


@pytest.mark.parametrize(
    ("output", "cause", "message"),
    [
        (
            f"{NO}Because there is no version of pyspark==3.1.0 and you require pyspark==3.1.0{SO}",
            RESOLVE,
            "pyspark==3.1.0 is not available from the package index",
        ),
        (
            (
                "  × No solution found when resolving dependencies:\n  ╰─▶ Because there is no version of "
                f"pyspark==3.1.0 and you require\n      pyspark==3.1.0{SO}"
            ),
            RESOLVE,
            "pyspark==3.1.0 is not available from the package index",
        ),
        (
            f"{NO}Because private-lib was not found in the package registry and you require private-lib{SO}",
            RESOLVE,
            "private-lib is not available: it was not found in the package registry",
        ),
        (
            (
                f"{NO}Because scipy==1.9.0 depends on numpy>=1.18.5,<1.25.0 and you require numpy==2.0.0, we can "
                f"conclude that your requirements and scipy==1.9.0 are incompatible.\n  And because you require "
                f"scipy==1.9.0{SO}"
            ),
            RESOLVE,
            "scipy==1.9.0 needs numpy>=1.18.5,<1.25.0, but the model requires numpy==2.0.0",
        ),
        (
            (
                f"{NO}Because scikit-learn>=1.9.1 depends on numpy>=1.24.1 and you require scikit-learn==1.9.1, we can "
                f"conclude that you require numpy>=1.24.1.\n  And because you require numpy==1.20{SO}"
            ),
            RESOLVE,
            "scikit-learn>=1.9.1 needs numpy>=1.24.1, but the model requires numpy==1.20",
        ),
        (
            (
                f"{NO}Because a==1 depends on c<2 and b==1 depends on c>=2, we can conclude that a==1 and b==1 are "
                "incompatible."
            ),
            RESOLVE,
            "a==1 needs c<2, but b==1 needs c>=2",
        ),
        (
            f"{NO}Because you require six==1.15 and six==1.16{SO}",
            RESOLVE,
            "the model requires both six==1.15 and six==1.16",
        ),
        (
            f"{NO}you require numpy<2.5.0 and numpy>=2.5, which are incompatible",
            RESOLVE,
            "the model requires both numpy<2.5.0 and numpy>=2.5",
        ),
        (
            (
                f"{NO}Because the current Python version (3.8.18) does not satisfy Python>=3.11 and ipython==9.0.0 "
                "depends on Python>=3.11, we can conclude that ipython==9.0.0 cannot be used."
            ),
            RESOLVE,
            "ipython==9.0.0 needs Python>=3.11, but the model was logged with Python 3.8.18",
        ),
        (
            f"{NO}Because numpy==1.21.0 has no usable wheels and you require numpy==1.21.0{SO}",
            RESOLVE,
            "numpy==1.21.0 is not available for this Python and platform: no wheel fits",
        ),
        (
            (
                "error: Failed to build `scikit-learn==0.23.2`\n  cause: Failed to build `numpy==1.17.3`\n  cause: "
                "The build backend returned an error"
            ),
            BUILD,
            "numpy==1.17.3 could not be built from its source",
        ),
        (
            "error: Failed to fetch: `https://u:p@x.invalid/simple/six/`\n cause: dns error",
            BUILD,
            "https://****@x.invalid/simple/six/ could not be downloaded",
        ),
        ("error: something new", BUILD, "the environment could not be built: something new"),
        ("", BUILD, "the environment could not be built: no output"),
    ],
)
@pytest.mark.req("REQ-050")
def test_one_sentence(output: str, cause: Cause, message: str) -> None:
    found = explain(output.splitlines())
    assert (found.message, found.cause) == (message, cause)
    assert found.hint


def test_the_last_lines_come_along_without_credentials() -> None:
    found = explain([*(f"line {number}" for number in range(50)), "", "error: https://u:secret@x.invalid refused"])
    assert len(found.log_tail) == 20
    assert "secret" not in "".join((found.message, *found.log_tail))
