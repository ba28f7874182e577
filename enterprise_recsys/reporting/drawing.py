"""One drawing, twice: SVG in the page's own colours (light or dark), and a PNG for slides."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from enterprise_recsys.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, GRID, PAPER = "#1b2430", "#5b6675", "#dde2e9", "#fffffe"
HUES = ("#2454d6", "#0e8f77", "#c9660c", "#8a4fbf", "#c0305f", "#5d7a10", "#0f86b3", "#8c6d3f")
"""Told apart with any kind of colour sight, together with the marks; two_stage has the first, retrieval the second."""
MARKS = ("o", "s", "^", "D", "v", "P", "X", "p")
VARIABLES = {INK: "--ink", MUTED: "--muted", GRID: "--grid", PAPER: "--card"} | {
    hue: f"--hue-{place}" for place, hue in enumerate(HUES)
}
"""Colour of the drawing -> the page's variable that takes its place."""

WIDTH, HEIGHT = 4.7, 3.3
"""Inches; 338 points wide, so that a phone shows the text at its own size."""
TITLE = 0.36
"""Inches of the title above a PNG."""

LONGEST = 20
"""Letters of a name in a picture."""

STYLE = {
    "font.size": 10,
    "text.color": INK,
    "text.parse_math": False,  # a system may be called $x$
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "legend.labelcolor": INK,
    "svg.fonttype": "none",
}


@dataclass(frozen=True)
class Plot:
    """A picture.

    Attributes:
        name: of its file, without ending.
        title: above it.
        says: what it shows, in words, for those who cannot see it.
        svg: without a title; its colours are the page's variables.
        png: with the title, on white.
    """

    name: str
    title: str
    says: str
    svg: str
    png: bytes


def require_drawing() -> None:
    """See that the packages of the extra `report` are there, before anything long begins.

    Raises:
        MissingExtraError: one is not.
    """
    missing = [name for name in ("matplotlib", "jinja2") if find_spec(name) is None]
    if missing:
        raise MissingExtraError(f"a report needs {' and '.join(missing)}: pip install 'enterprise_recsys[report]'.")


def drawn(name: str, title: str, says: str, draw: Callable[[Axes], None], *, height: float = HEIGHT) -> Plot:
    """Call a function with empty axes and keep what it drew, as SVG and as PNG."""
    require_drawing()
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        draw(figure.subplots())
        svg = _in_page(figure, says)
        # Drawn anew for the PNG: its title needs room of its own above the legend.
        whole = Figure(figsize=(WIDTH, height + TITLE), layout="constrained")
        head, body = whole.subfigures(2, 1, height_ratios=[TITLE, height])
        head.text(0.02, 0.5, title, ha="left", va="center", fontsize=11, fontweight="bold")
        draw(body.subplots())
        picture = io.BytesIO()
        whole.savefig(picture, format="png", dpi=160, facecolor="white", metadata={"Software": None})
    return Plot(name, title, says, svg, picture.getvalue())


def legend(axes: Axes, systems: Sequence[str]) -> None:
    """Name the lines and marks above the picture, three in a row: over its whole width, for names may be long."""
    handles, labels = axes.get_legend_handles_labels()
    at = dict(zip(labels, handles, strict=True))
    kept = [name for name in systems if name in at]
    widest = max(len(short(name)) for name in kept)
    axes.figure.legend(
        [at[name] for name in kept],
        [short(name) for name in kept],
        loc="outside upper left",
        ncols=3 if widest <= 14 else 2,
        handlelength=1.6,
        columnspacing=1.2,
    )


def short(name: str) -> str:
    """A name that leaves room for the picture; the tables have it whole.

    >>> short("item_knn"), short("a_very_long_name_of_a_system")
    ('item_knn', 'a_very_long_name_of…')
    """
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _in_page(figure: Figure, says: str) -> str:
    """The SVG as a part of HTML: no prolog, no names that another picture has too, the page's fonts and colours."""
    from html import escape

    written = io.StringIO()
    figure.savefig(written, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = written.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<g id=\"[^\"]*\"", "<g", text)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    box = re.search(r'viewBox="([^"]+)"', text)
    head = f'<svg viewBox="{box[1] if box else ""}" role="img" aria-label="{escape(says)}">'
    text = head + text[text.index(">") + 1 :]
    text = re.sub(r"font: (?:(\d{3}|bold) )?([\d.]+)px [^;\"]*", _font, text)
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    return re.sub(r"\s*\n\s*", "\n", text).strip()


def _font(found: re.Match[str]) -> str:
    weight = f"font-weight: {found[1]}; " if found[1] else ""
    return f"{weight}font-size: {found[2]}px"
