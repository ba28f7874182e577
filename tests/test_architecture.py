"""The floors of docs/architecture.md, held by reading the imports: downward only, and never across a landing."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "enterprise_recsys"

FLOORS = {
    1: ["rowwise", "errors", "allocating", "devices"],
    2: ["layers", "records", "choice", "loop", "artifact", "rules", "tasks", "client"],
    3: ["evaluation", "reranking", "config", "progress"],
    4: ["data", "reporting", "state"],
    5: ["retrieval", "ranking", "baselines", "engine"],
    6: ["protocols", "recommender"],
    7: ["training", "service"],
    8: ["door"],
}
ROOMS = {
    "training": ["trainer", "learning", "examining"],  # one idea: teach, and see how good it is
    "door": ["cli", "commands", "demo", "benching", "systems", "__main__", "__init__"],
    "recommender": [
        "recommender",
        "finding",
        "asking",
        "questions",
        "attribution",
        "explaining",
        "erasing",
        "wishes",
        "answers",
        "saving",
        "changing",
    ],
}
"""Files that form one room; any other file or folder at the top of the package is a room of its own."""

GROUND = "errors"
"""Below every floor, its own too."""
SIDEWAYS = {("loop", "records")}
"""What may look across the landing: who, whom."""

TORCH_FREE = [
    "recommender",
    "engine",
    "reranking",
    "data",
    "service",
    "state",
    "evaluation",
    "config",
    "records",
    "errors",
    "choice",
    "artifact",
    "client",
]
LONGEST_FILE, LONGEST_FUNCTION = 400, 80
LONGER: dict[str, str] = {}
"""Files and `file:function` that may be longer, with the reason; an entry that is no longer needed fails too."""


@dataclass(frozen=True)
class Import:
    """One import statement: the file (path in the package), what it names, and whether it runs."""

    file: str
    target: str
    line: int
    runs: bool

    @property
    def room(self) -> str:
        return room_of(self.file.removesuffix(".py").replace("/", "."))

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.target}"


def room_of(module: str) -> str:
    """The room of `data.frames` is data, of `cli` is door."""
    top = module.split(".")[0]
    return next((room for room, files in ROOMS.items() if top in files), top)


def imports_of(file: str, source: str) -> Iterator[Import]:
    """Every import of a file, those inside functions and under TYPE_CHECKING too."""
    tree = ast.parse(source)
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    inside = file.split("/")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = [PACKAGE, *inside][: len(inside) + 2 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            # `from enterprise_recsys import artifact` names a room, `from enterprise_recsys.errors import X` does not.
            names = [f"{base}.{alias.name}" for alias in node.names] if base == PACKAGE else [base]
        else:
            continue
        for name in names:
            yield Import(file, name, node.lineno, id(node) not in for_types)


def sources() -> dict[str, str]:
    folder = ROOT / PACKAGE
    return {path.relative_to(folder).as_posix(): path.read_text() for path in sorted(folder.rglob("*.py"))}


def inside_imports(files: Mapping[str, str]) -> list[tuple[Import, str]]:
    """Imports of the package itself, each with the module it names, as `data.frames`."""
    found = []
    for file, source in files.items():
        for one in imports_of(file, source):
            if one.target == PACKAGE or one.target.startswith(f"{PACKAGE}."):
                found.append((one, one.target.removeprefix(PACKAGE).removeprefix(".") or "__init__"))
    return found


def floor_faults(files: Mapping[str, str]) -> list[str]:
    floors = {room: floor for floor, rooms in FLOORS.items() for room in rooms}
    faults = [f"{file} stands on no floor; add it to FLOORS" for file in files if room_of_file(file) not in floors]
    for one, module in inside_imports(files):
        here, there = one.room, room_of(module)
        if there in (GROUND, here) or (here, there) in SIDEWAYS or here not in floors:
            continue
        if there not in floors:
            faults.append(f"{one}: it stands on no floor")
        elif floors[there] >= floors[here]:
            faults.append(f"{one}: {here} is on floor {floors[here]}, {there} on floor {floors[there]}")
    return faults


def room_of_file(file: str) -> str:
    return room_of(file.removesuffix(".py").replace("/", "."))


def reached(files: Mapping[str, str], starts: list[str]) -> set[str]:
    """The files that some rooms import when they run, and those that these import, and so on."""
    modules = {file.removesuffix("/__init__.py").removesuffix(".py").replace("/", "."): file for file in files}
    edges: dict[str, set[str]] = {file: set() for file in files}
    for one, module in inside_imports(files):
        if one.runs and module in modules:
            edges[one.file].add(modules[module])
    seen: set[str] = set()
    waiting = [file for file in files if room_of_file(file) in starts]
    while waiting:
        file = waiting.pop()
        if file not in seen:
            seen.add(file)
            waiting.extend(edges[file])
    return seen


def torch_faults(files: Mapping[str, str]) -> list[str]:
    return [
        str(one)
        for file in sorted(reached(files, TORCH_FREE))
        for one in imports_of(file, files[file])
        if one.runs and "torch" in one.target.split(".")  # safetensors.torch too
    ]


def lengths(files: Mapping[str, str]) -> dict[str, int]:
    """What is over its length: file, or `file:function` -> lines."""
    found = {file: source.count("\n") for file, source in files.items() if source.count("\n") > LONGEST_FILE}
    for file, source in files.items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > LONGEST_FUNCTION:
                    found[f"{file}:{node.name}"] = lines
    return found


# The house as it stands --------------------------------------------------------------------------------------------


def test_every_import_goes_to_a_lower_floor() -> None:
    assert floor_faults(sources()) == []


def test_every_room_of_the_floors_is_named_once() -> None:
    rooms = [room for floor in FLOORS.values() for room in floor]
    assert len(rooms) == len(set(rooms))


def test_what_answers_imports_no_training_framework() -> None:
    assert torch_faults(sources()) == []


def test_the_two_stages_never_import_each_other() -> None:
    pairs = {(one.room, room_of(module)) for one, module in inside_imports(sources())}
    assert {("retrieval", "ranking"), ("ranking", "retrieval")} & pairs == set()


def test_the_service_never_imports_the_trainer() -> None:
    assert [file for file in reached(sources(), ["service"]) if room_of_file(file) == "training"] == []


def test_a_running_service_has_not_loaded_torch_or_pandas() -> None:
    code = (
        "import sys; import enterprise_recsys.service.app, enterprise_recsys.recommender, enterprise_recsys.cli; "
        "print(sorted({'torch', 'pandas', 'scipy', 'onnx'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_files_and_functions_can_be_read_at_a_sitting() -> None:
    found = lengths(sources())
    assert {name: lines for name, lines in found.items() if name not in LONGER} == {}
    assert set(LONGER) - set(found) == set(), "short again: take it off the list"


def test_every_file_opens_with_the_line_that_says_its_idea() -> None:
    without = [file for file, source in sources().items() if not ast.get_docstring(ast.parse(source))]
    assert without == []


def test_no_name_fits_everything() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "base", "misc"}
    assert [file for file in sources() if vague & set(file.removesuffix(".py").split("/"))] == []


# The test itself: a planted fault is found -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "source", "fault"),
    [
        (
            "retrieval/x.py",
            "from enterprise_recsys.ranking.losses import bce",
            "retrieval is on floor 5, ranking on floor 5",
        ),
        (
            "data/x.py",
            "def f():\n    import enterprise_recsys.trainer",
            "data/x.py:2 imports enterprise_recsys.trainer",
        ),
        ("records.py", "from enterprise_recsys import artifact", "records is on floor 2, artifact on floor 2"),
        ("service/x.py", "from ..trainer import ProductionTrainer", "service is on floor 7, training on floor 7"),
        ("engine/x.py", "from enterprise_recsys import ModelConfig", "it stands on no floor"),
        ("config.py", "import enterprise_recsys", "config is on floor 3, door on floor 8"),
        ("layers.py", "if TYPE_CHECKING:\n    from enterprise_recsys.records import Ints", "records on floor 2"),
        ("attic/x.py", "", "attic/x.py stands on no floor"),
    ],
)
def test_a_planted_import_is_found(file: str, source: str, fault: str) -> None:
    found = floor_faults({file: source})
    assert len(found) == 1
    assert fault in found[0]


def test_an_allowed_import_is_no_fault() -> None:
    allowed = {
        "loop.py": "from enterprise_recsys.records import Ints\nfrom enterprise_recsys.errors import DataError",
        "layers.py": "from enterprise_recsys.errors import ConfigError",
        "trainer.py": "from . import learning\nfrom enterprise_recsys.retrieval.retriever import Retriever",
        "data/frames.py": "from .vocabulary import Vocabulary\nfrom ..choice import pick",
        "cli.py": "import enterprise_recsys\nimport torch",
    }
    assert floor_faults(allowed) == []


def test_a_planted_torch_is_found_even_behind_another_file() -> None:
    files = {
        "recommender.py": "from enterprise_recsys.layers import mlp",
        "layers.py": "def f():\n    from torch import nn",
        "data/a.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch",
        "data/b.py": "import safetensors.torch",
        "loop.py": "import torch",
    }
    assert torch_faults(files) == ["data/b.py:1 imports safetensors.torch", "layers.py:2 imports torch"]


def test_a_planted_long_function_is_found() -> None:
    long = "def f():\n" + "    x = 1\n" * LONGEST_FUNCTION
    assert lengths({"a.py": long, "b.py": "x = 1\n" * (LONGEST_FILE + 1)}) == {
        "a.py:f": LONGEST_FUNCTION + 1,
        "b.py": LONGEST_FILE + 1,
    }
