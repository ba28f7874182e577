"""docs/your-data.md does what it says: each command on it is run in order, and prints what the page shows."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from enterprise_recsys.cli import app
from enterprise_recsys.data.aliases import ALIASES
from enterprise_recsys.data.checks import CHECKS
from enterprise_recsys.data.files import FORMATS
from enterprise_recsys.data.rows import ROW_FAULTS
from enterprise_recsys.data.schema import KINDS
from enterprise_recsys.data.sources import SOURCES
from enterprise_recsys.data.steps import STEPS

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "your-data.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
BEGIN = datetime(2025, 3, 1, 8, tzinfo=UTC)


def shop(folder: Path) -> None:
    """A shop's three files: 3,000 events, of which five are at fault, 60 products and 150 customers."""
    lines = ["visitor_id,sku,created_at,action,price_paid,device"]
    for n in range(3000):
        customer, product = (n * 37 + n // 149) % 149, (n * 17 + n // 61) % 61
        action = "buy" if n % 11 == 0 else "cart" if n % 5 == 0 else "view"
        moment = BEGIN + timedelta(minutes=41 * n)
        paid = f"{product % 9 + 0.99:.2f}" if action == "buy" else ""
        device = ("phone", "tablet", "desk")[n * 5 % 7 % 3]
        lines.append(f"c{customer:03},p{product:02},{moment:%Y-%m-%dT%H:%M:%SZ},{action},{paid},{device}")
    lines[100] = lines[100].replace("2025-", "2525-")
    lines[200] = lines[200].rpartition(",")[0]
    lines[300] = lines[300].replace("c", "", 1)[lines[300].index(",") - 1 :]
    lines[400] = "c001,p01,yesterday,view,,phone"
    lines[500] = lines[499]
    (folder / "events.csv").write_text("\n".join(lines) + "\n")
    products = [f'p{n:02},"Hat no. {n}",{("straw", "felt|wool", "wool")[n % 3]},{n % 9 + 0.99:.2f}' for n in range(61)]
    (folder / "products.csv").write_text("\n".join(["sku,title,materials,price", *products]) + "\n")
    customers = [f"c{n:03},{('Oslo', 'Rome', 'Bern')[n % 3]}" for n in range(149)]
    (folder / "customers.csv").write_text("\n".join(["customer_id,city", *customers]) + "\n")


def test_the_commands_of_the_page_run_and_print_what_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shop(tmp_path)
    printed, ran = "", 0
    for language, code in BLOCKS:
        if language == "text":
            assert code.strip() == printed.strip()
        if language == "python":
            exec(compile(code, "your-data.md", "exec"), {"__name__": "page"})
        if language != "bash":
            continue
        for command in code.replace("\\\n", " ").strip().splitlines():
            words, _, comment = command.partition("  # ")
            if words.startswith("head "):
                printed = "".join((tmp_path / words.split()[-1]).read_text().splitlines(keepends=True)[:3])
                continue
            assert words.startswith("recsys "), words
            done = CliRunner().invoke(app, shlex.split(words)[1:], catch_exceptions=False)
            printed, ran = done.output, ran + 1
            assert done.exit_code == (1 if "exit code 1" in comment else 0), printed
    assert ran >= 5


@pytest.mark.parametrize(
    "table", [CHECKS, ROW_FAULTS, SOURCES, FORMATS, KINDS, STEPS, ALIASES], ids=lambda table: next(iter(table))
)
def test_the_page_names_every_part_of_its_tables(table: dict[str, object]) -> None:
    assert [name for name in table if f"`{name}`" not in PAGE] == []


@pytest.mark.parametrize("canonical", ALIASES)
def test_the_page_names_every_alias(canonical: str) -> None:
    line = next(line for line in PAGE.splitlines() if line.startswith(f"| `{canonical}` |"))
    assert [alias for alias in ALIASES[canonical] if f"`{alias}`" not in line] == []
