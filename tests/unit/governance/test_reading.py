"""What the faces of the catalog say about models."""

from __future__ import annotations

import pytest

from jupyter_modelserve.controller.api.faces.reading import Shown
from jupyter_modelserve.errors import NotFound
from tests.unit.client.samples import model


def test_a_missing_alias_names_those_that_there_are() -> None:
    shown = Shown(model("prod.ml.iris", {"Champion": "1", "A": "2"}), "ann", "m", {}, "")
    assert shown.aliased("A").version == "2"
    with pytest.raises(NotFound, match=r"prod\.ml\.iris has no alias 'Nope' \(its aliases: A, Champion\)"):
        shown.aliased("Nope")
