"""A line chart as SVG text that takes the colours and the width of the page around it, in light and in dark.

matplotlib draws; ``currentColor`` and the theme's variables replace its fixed colours afterwards.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from jupyter_modelserve.client.display import escape

_INK = "#010203"
"""Stands for the colour of the page's text; no other thing in the drawing has it."""


@dataclass(frozen=True)
class Line:
    """One line: its name, colour (any of CSS that matplotlib knows as well) and values; None leaves a gap."""

    name: str
    color: str
    values: Sequence[float | None]


def chart(title: str, unit: str, times: Sequence[float], lines: Sequence[Line]) -> str:
    """SVG of *lines* over *times* (seconds since 1970), the newest on the right; *unit* stands at the axis."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with rc_context({"svg.fonttype": "none", "font.size": 9, "font.family": "sans-serif"}):
        figure = Figure(figsize=(4.2, 1.9), layout="constrained")
        axes = figure.add_subplot()
        figure.patch.set_alpha(0)
        axes.patch.set_alpha(0)
        ago = [each - times[-1] for each in times] if times else []
        for line in lines:
            values = [float("nan") if each is None else each for each in line.values]
            axes.plot(ago, values, color=line.color, linewidth=1.6, marker="o", markersize=2.5, label=line.name)
            axes.plot(ago[-1:], values[-1:], "o", color=line.color, markersize=4, clip_on=False)
        axes.set_xlim(min([*ago, -60]), 0)
        axes.set_ylim(bottom=0, top=None if _largest(lines) > 0 else 1)
        axes.set_ylabel(unit, color=_INK)
        axes.set_xlabel("seconds ago", color=_INK)
        axes.xaxis.set_major_formatter(lambda value, _: f"{abs(value):.0f}")
        axes.tick_params(colors=_INK, length=2)
        axes.grid(visible=True, alpha=0.2, color=_INK)
        for name, spine in axes.spines.items():
            spine.set_visible(name in {"left", "bottom"})
            spine.set_color(_INK)
        written = io.StringIO()
        FigureCanvasSVG(figure).print_svg(written)  # type: ignore[no-untyped-call]
    return _framed(title, written.getvalue(), lines)


def _largest(lines: Sequence[Line]) -> float:
    return max((each for line in lines for each in line.values if each is not None), default=0.0)


def _framed(title: str, svg: str, lines: Sequence[Line]) -> str:
    body = svg[svg.index("<svg") :].replace(_INK, "currentColor")
    body = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", body, count=1)
    body = re.sub(r'(<svg[^>]*?) height="[^"]*"', r'\1 width="100%"', body, count=1)
    last = [next((each for each in reversed(line.values) if each is not None), None) for line in lines]
    told = ", ".join(
        f"{line.name} {'none' if value is None else f'{value:.3g}'}" for line, value in zip(lines, last, strict=True)
    )
    keys = "".join(f'<span><i style="background:{line.color}"></i>{escape(line.name)}</span>' for line in lines)
    return (
        f'<figure role="img" aria-label="{escape(f"{title}: {told}")}">'
        f"<figcaption><b>{escape(title)}</b>{keys}</figcaption>{body}</figure>"
    )
