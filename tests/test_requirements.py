"""The locks, the ranges and the image's list say the same versions."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def pins(name: str) -> dict[str, str]:
    """Package -> version of a file that holds nothing but pins and comments."""
    lines = [line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9a-z.]*", line)] == []
    return {canonicalize_name(line.split("==")[0]): line.split("==")[1] for line in lines}


EVERY = [name for name in EXTRAS if name != "all"]
LOCKED, DEV = pins("requirements.lock"), pins("requirements-dev.lock")


def wanted(*extras: str) -> list[Requirement]:
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in EXTRAS[extra])]
    return [Requirement(line) for line in lines]


def test_the_image_holds_the_versions_of_the_lock() -> None:
    image = pins("app/requirements.txt")
    assert image == {name: LOCKED.get(name) for name in image}


def test_the_image_holds_all_that_serving_needs() -> None:
    needed = {canonicalize_name(one.name) for one in wanted("serve")} - {"typer", "rich"}
    assert needed <= set(pins("app/requirements.txt"))


def test_the_locks_are_within_the_ranges() -> None:
    together = {**LOCKED, **DEV, "torch": torch_pin()}
    for one in wanted(*EVERY):
        assert one.specifier.contains(together[canonicalize_name(one.name)]), str(one)


def torch_pin() -> str:
    found = re.search(r"^torch==(\S+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert found
    return found[1]


def test_the_lock_leaves_the_choice_of_pytorchs_build_open() -> None:
    assert [name for name in LOCKED if re.match("torch|triton|nvidia|cuda", name)] == []
    assert f"torch=={torch_pin()}" in EXTRAS["train"]


def test_no_package_is_locked_twice() -> None:
    assert set(LOCKED) & set(DEV) == set()


@pytest.mark.parametrize("one", wanted(*EVERY), ids=lambda one: one.name)
def test_every_dependency_has_its_reason(one: Requirement) -> None:
    cells = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", (ROOT / "docs" / "dependencies.md").read_text(), re.MULTILINE)
    assert one.name in {name for cell in cells for name in cell.split(", ")}


def test_every_reason_has_its_dependency() -> None:
    cells = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", (ROOT / "docs" / "dependencies.md").read_text(), re.MULTILINE)
    named = {name for cell in cells for name in cell.split(", ")} - {"Package"}
    assert named == {one.name for one in wanted(*EVERY)}
