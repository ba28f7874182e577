"""The page: content and plots in one file of HTML that loads nothing and runs nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from enterprise_recsys.evaluation.report import BEST_POSSIBLE
from enterprise_recsys.reporting.content import Content
from enterprise_recsys.reporting.drawing import HUES, VARIABLES, Plot, require_drawing
from enterprise_recsys.reporting.plots import look

HERE = Path(__file__).parent

SIGNS = {"better": "better", "worse": "worse", "unclear": "not shown", "told": "to know"}
NOTES = {
    "differences": "Dots are mean differences user by user, with intervals; grey ones may be chance.",
    "funnel": "From a perfect list to ours. No system gets all of it: much of what users do is chance.",
    "curve": "Mean over users when only the first k places count.",
    "slices": "Dots are means, bars their intervals; below each name its users. Of items: how much of them was found.",
    "trade": "Up is better aimed, right is wider. A system with others above and to the right of it has no merit here.",
    "reliability": "Each dot holds as many predictions. On the dashed line what is told comes true.",
}
EXPLAINED = {
    "CandidateRecall": "share of what a user took that is among the candidates",
    "retrieval/NDCG_given_candidates": "the order in which candidates were found, beside their best order",
    "two_stage/NDCG_given_candidates": "the order of our lists, beside the candidates' best order",
    "catalogue": "a perfect list of the items that the model knows",
    "ceiling": "the candidates in their best order: no ranker can have more",
    "index": "share of the nearest items by exact search that the index finds",
    "predictions": "candidates that users were given, with the ranker's probability of each",
    "TakenShare": "share of these that were taken",
    "MeanPrediction": "share that the ranker expected",
    "AUC": "chance that a candidate that was taken stands above one that was not; 0.5 = by lot",
    "LogLoss": "nats by which its probabilities surprise; lower is better",
    "ECE": "mean distance between what was told and what came true, in bins of equally many; 0 is best",
    "ECE_width": "the same in bins of equal width",
    "ratings": "test ratings of known items, foretold as of their moment",
    "RMSE": "error of the foretold ratings, in the unit of ratings; lower is better",
    "MAE": "mean distance from the true rating, in the unit of ratings; lower is better",
    "RMSE_of_mean": "the same error for always saying the mean rating",
}
"""Key, first part or metric of a figure of the stages -> what it is; one that is not here explains itself."""

SECTIONS = (
    ("what", "What is better, and what is lost?", ("differences", "funnel")),
    ("lists", "How long, how varied", ("curve", "trade")),
    ("whom", "For whom, and how sure", ("slices", "reliability")),
)
"""Id and title of a part of the page, and the names of its plots (before "_")."""


@dataclass(frozen=True)
class Section:
    """A part of the page with its plots."""

    id: str
    title: str
    plots: Sequence[Plot]


def page(content: Content, plots: Sequence[Plot]) -> str:
    """The HTML. Whatever comes from a log, a file or a name is escaped.

    Raises:
        MissingExtraError: the extra `report` is not installed.
    """
    require_drawing()
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    sections = [
        Section(name, title, [_safe(plot) for plot in plots if plot.name.split("_")[0] in kinds])
        for name, title, kinds in SECTIONS
    ]
    return environment.get_template("page.html.j2").render(
        content=content,
        lead=_lead(content),
        style=Markup((HERE / "page.css").read_text(encoding="utf-8")),  # our own file
        # Drawn by us; the names in it were escaped when it was written.
        sections=[one for one in sections if one.plots],
        signs=SIGNS,
        notes=NOTES,
        hues={name: _hue(content, name) for name in content.systems},
        number=number,
        explained=explained,
        readable=readable,
    )


def number(value: float | None, is_signed: bool = False) -> str:
    """A figure as it is read: four places, counts whole.

    >>> number(0.12345), number(-0.5, True), number(2000.0), number(None)
    ('0.1235', '−0.5000', '2,000', '–')
    """
    if value is None:
        return "–"
    if not is_signed and abs(value) > 1 and value == int(value):
        return f"{value:,.0f}"
    return (f"{value:+.4f}" if is_signed else f"{value:.4f}").replace("-", "−")


def readable(text: str) -> str:
    """A sentence with true minus signs, and no line break within "p = 0.05" or "95 %"."""
    text = re.sub(r"(?<=[ (])-(?=\d)", "−", text)
    return re.sub(r"(?<=\bp) = (?=\d)|(?<=\d) (?=%)", lambda found: found[0].replace(" ", "\u00a0"), text)


def explained(key: str) -> str:
    """What a figure of the stages is, in words.

    >>> explained("index/Recall@200")
    'share of the nearest items by exact search that the index finds'
    """
    name = key.split("@")[0]
    return next((EXPLAINED[one] for one in (name, name.split("/")[-1], name.split("/")[0]) if one in EXPLAINED), "")


def _safe(plot: Plot) -> Plot:
    from markupsafe import Markup

    return Plot(plot.name, plot.title, plot.says, Markup(plot.svg), b"")


def _hue(content: Content, system: str) -> str:
    hue, _ = look(content, system)
    return "--muted" if system == BEST_POSSIBLE else VARIABLES[hue] if hue in HUES else "--muted"


def _lead(content: Content) -> str:
    users, data = content.figures.get("users", 0), content.provenance.get("data", "a log")
    return (
        f"{len(content.systems)} systems on the same {users:,.0f} users of {data}: lists of the whole catalogue, "
        "without what each user has had, beside what they went on to take."
    )
