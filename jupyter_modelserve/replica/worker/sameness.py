"""When two answers are the same: equal labels, integers, texts and forms, and floats within 1e-9 relative.

It compares what the caller would read (the JSON values), because that is what a promise to the caller is about.
"""

from __future__ import annotations

from typing import Any

TOLERANCE = 1e-9


def same(left: Any, right: Any) -> bool:
    """Whether two JSON values are the same answer. True is no 1, and 1 is no 1.0."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        return left == right or bool(abs(left - right) <= TOLERANCE * max(abs(left), abs(right)))
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return bool(left == right)
