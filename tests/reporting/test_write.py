"""The report on disk: a whole page that loads nothing, says what the JSON says, and escapes what it is given."""

import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="the extra `report` is not installed")
pytest.importorskip("jinja2", reason="the extra `report` is not installed")

from enterprise_recsys.errors import DataError, MissingExtraError
from enterprise_recsys.evaluation.detail import Bin, Detail, curves_of
from enterprise_recsys.evaluation.protocol import measure
from enterprise_recsys.evaluation.report import Evaluation, evaluation_of
from enterprise_recsys.evaluation.truth import Truth
from enterprise_recsys.reporting.content import content_of
from enterprise_recsys.reporting.page import number, readable
from enterprise_recsys.reporting.plots import plots_of
from enterprise_recsys.reporting.write import write_report

HOSTILE = "<script>alert(1)</script>&\"'$x_1$"


class Page(HTMLParser):
    """Collects what a page holds, and sees that every element is closed."""

    VOID = ("meta", "link", "br", "img", "input", "hr")

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "action")]
        self.ids += [given["id"] or ""] if "id" in given else []
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def made_detail(hostile: bool = False) -> Detail:
    """Four systems on 200 users, with everything that a report can show."""
    generator = np.random.default_rng(0)
    items = generator.integers(1, 40, (200, 3))
    truth = Truth.of(np.repeat(np.arange(200), 3), items.ravel(), n_users=200)
    random = np.stack([generator.permutation(np.arange(1, 40)) for _ in range(200)])
    good = np.hstack([random[:, :2], items[:, :1], random[:, 2:]])
    lists = {"popularity": random, "retrieval": good, "two_stage": np.hstack([items[:, :1], random])}
    lists |= {HOSTILE.replace("/", ""): random[:, ::-1]} if hostile else {"best_possible": np.hstack([items, random])}
    slices = {"new_users": np.arange(200) % 5 == 0, "low_activity": np.arange(200) % 5 > 0}
    measured = {
        name: measure(
            lambda at, k, rows=rows: rows[at, :k],
            truth,
            n_items=40,
            slices=slices,
            vectors=np.eye(40, dtype=np.float32),
        )
        for name, rows in lists.items()
    }
    pairs = [("two_stage", name) for name in lists if name not in ("two_stage", "best_possible")]
    figures = evaluation_of(measured, generator=generator, pairs=pairs)
    figures |= {"ceiling/NDCG@10": 0.9, "catalogue/NDCG@10": 1.0, "index/Recall@20": float("nan")}
    bins = [Bin(0.1, 0.12, 100), Bin(0.4, 0.3, 100)]
    return Detail(figures, curves_of(lists, truth, depth=20), bins)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("reports") / "in" / "report.html"
    provenance = {"data": "a log", "split checksum": "0123456789abcdef", "versions": {"numpy": "2"}}
    write_report(made_detail(), path, title="How good?", provenance=provenance)
    return path


def test_the_page_is_whole_html_that_loads_and_runs_nothing(written: Path) -> None:
    text = written.read_text()
    page = Page(text)
    assert page.open == []
    assert "script" not in page.tags and "img" not in page.tags and "link" not in page.tags
    assert all(link.startswith("#") for link in page.links)
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#)", text)
    assert re.search(r"\bon\w+=", re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL)) is None
    assert len(page.ids) == len(set(page.ids))
    assert {"#" + one for one in page.ids} >= set(page.links)
    assert page.tags.count("h1") == 1 and page.tags.count("svg") == 10
    assert text.count('role="img" aria-label="') == 10


def test_the_page_says_what_the_json_says(written: Path) -> None:
    told = json.loads(written.with_suffix(".json").read_text())
    shown = " ".join(Page(written.read_text()).text)
    for finding in told["findings"]:
        assert readable(finding["text"]) in shown
    cells = [
        (cell, table["corner"] == "Difference") for table in told["tables"] for _, row in table["rows"] for cell in row
    ]
    assert len(cells) > 40
    for cell, is_signed in cells:
        assert number(cell["value"], is_signed) in shown
    figures = told["figures"]
    row = dict(told["tables"][0]["rows"])["two_stage"]
    assert told["tables"][0]["head"][0] == told["headline"] == "NDCG@10"
    assert (row[0]["value"], row[0]["low"]) == (figures["two_stage/NDCG@10"], figures["two_stage/NDCG@10/low"])
    assert told["curves"]["NDCG"]["two_stage"][9] == pytest.approx(figures["two_stage/NDCG@10"])
    assert figures["index/Recall@20"] is None
    for text in ("0123456789abcdef", "numpy = 2", "How good?"):
        assert text in shown


def test_groups_of_users_and_of_items_are_pictures_apart_and_none_is_too_long(tmp_path: Path) -> None:
    figures = Evaluation({"users": 90})
    for name in ("ours", "theirs"):
        figures |= {f"{name}/NDCG@10{end}": value for end, value in (("", 0.2), ("/low", 0.1), ("/high", 0.3))}
        for group in range(14):
            key = f"{name}/user_land_{group}/NDCG@10"
            figures |= {key: 0.2, f"{key}/low": 0.1, f"{key}/high": 0.3, f"users_user_land_{group}": 5}
        figures |= {f"{name}/item_kind_{group}/NDCG@10": 0.2 for group in range(3)}
    plots = plots_of(content_of(Detail(figures), title="t", provenance={}))
    told = {plot.name: plot for plot in plots if plot.name.startswith("slices")}
    assert list(told) == ["slices_users", "slices_users_2", "slices_items"]
    assert told["slices_users"].says.count(";") == 11 and told["slices_users_2"].says.count(";") == 2
    assert told["slices_users_2"].title == "For whom? (NDCG@10, further groups)"
    assert told["slices_items"].says.startswith("Item kind 0: ours 0.2000, theirs 0.2000; Item kind 1")


def test_the_plots_lie_beside_it_and_are_not_blank(written: Path) -> None:
    from matplotlib.image import imread

    files = sorted(written.with_name("report_plots").iterdir())
    assert [one.stem for one in files] == [
        "curve_HR",
        "curve_NDCG",
        "curve_Precision",
        "curve_Recall",
        "differences",
        "funnel",
        "reliability",
        "slices_users",
        "trade_Coverage",
        "trade_Diversity",
    ]
    for one in files:
        picture = imread(one)[..., :3]
        assert picture.shape[1] == 752 and 0.005 < (picture < 0.9).any(axis=2).mean() < 0.6


def test_names_and_values_from_outside_are_escaped(tmp_path: Path) -> None:
    provenance = {"data": HOSTILE, "command": HOSTILE, "configuration": {HOSTILE: HOSTILE}}
    write_report(made_detail(hostile=True), tmp_path / "r.html", title=HOSTILE, provenance=provenance)
    text = (tmp_path / "r.html").read_text()
    page = Page(text)
    assert page.open == [] and "script" not in page.tags
    assert "<script" not in text.lower()
    shown = " ".join(page.text)
    assert HOSTILE in shown
    assert HOSTILE.replace("/", "") in shown and "$x_1$" in shown


def test_an_evaluation_without_stages_or_curves_has_a_report_too(tmp_path: Path) -> None:
    whole = made_detail()
    figures = {
        key: value for key, value in whole.evaluation.items() if key.startswith(("users", "popularity", "two_stage/"))
    }
    whole.evaluation.clear()
    whole.evaluation.update(figures)
    write_report(Detail(whole.evaluation), tmp_path / "r.html", title="t", provenance={})
    assert Page((tmp_path / "r.html").read_text()).open == []
    assert sorted(one.stem for one in (tmp_path / "r_plots").iterdir()) == [
        "slices_users",
        "trade_Coverage",
        "trade_Diversity",
    ]


def small(*, curve: float | None = None, bins: float | None = None) -> Detail:
    """One figure, and at most one picture of each kind: these tests are of files."""
    curves = {} if curve is None else {"NDCG": {"ours": [curve, curve]}}
    return Detail(Evaluation({"users": 2, "ours/NDCG@10": 0.5}), curves, [] if bins is None else [Bin(bins, 0.2, 9)])


@pytest.mark.parametrize("moves", [0, 1, 3, 5])
def test_it_is_written_whole_or_not_at_all(moves: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.html"
    write_report(small(curve=0.1), path, title="first", provenance={})

    def held() -> dict[Path, bytes]:
        return {one.relative_to(tmp_path): one.read_bytes() for one in tmp_path.rglob("*") if one.is_file()}

    before, calls, move = held(), [], os.replace

    def fail_later(source: Path, target: Path) -> None:
        calls.append(source)
        if len(calls) > moves:
            raise OSError("disk full")
        move(source, target)

    with pytest.raises(OSError, match="disk full"), monkeypatch.context() as patch:
        patch.setattr("os.replace", fail_later)
        write_report(small(curve=0.3, bins=0.1), path, title="second", provenance={})
    assert held() == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["report.html", "report.json", "report_plots"]


def test_a_second_report_takes_the_place_of_the_first(tmp_path: Path) -> None:
    write_report(small(curve=0.1, bins=0.1), tmp_path / "r.html", title="first", provenance={})
    write_report(small(curve=0.3), tmp_path / "r.html", title="second", provenance={})
    assert "second" in (tmp_path / "r.html").read_text()
    assert [one.name for one in (tmp_path / "r_plots").iterdir()] == ["curve_NDCG.png"]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["r.html", "r.json", "r_plots"]


def test_a_place_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="should end in .html"):
        write_report(made_detail(), tmp_path / "report.pdf", title="t", provenance={})
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("dear")
    with pytest.raises(DataError, match="mine holds something else than plots and would be replaced"):
        write_report(made_detail(), tmp_path / "r.html", title="t", provenance={}, plots=tmp_path / "mine")


def test_without_the_extra_the_message_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("enterprise_recsys.reporting.drawing.find_spec", lambda name: None)
    with pytest.raises(
        MissingExtraError, match=r"a report needs matplotlib and jinja2: pip install 'enterprise_recsys\[report\]'"
    ):
        write_report(made_detail(), tmp_path / "r.html", title="t", provenance={})
