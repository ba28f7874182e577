"""README and docs say what the code does: commands, options, endpoints, dials, chores, links and versions."""

from __future__ import annotations

import ast
import re
import shlex
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
import torch
import typer.core
import typer.main
from starlette.routing import compile_path
from starlette.testclient import TestClient

import enterprise_recsys
from enterprise_recsys.baselines.table import SPACES
from enterprise_recsys.cli import app as command_line
from enterprise_recsys.config import ModelConfig
from enterprise_recsys.data import prepared
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.data.worlds import make_world
from enterprise_recsys.service.app import create_app
from enterprise_recsys.service.settings import Settings
from enterprise_recsys.trainer import ProductionTrainer

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text() for page in PAGES}

FENCED = re.compile(r"^```([a-z]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(text: str, language: str | None = None) -> list[tuple[int, str]]:
    """The fenced blocks of a page: line at which the code begins, code."""
    return [
        (text[: found.start(2)].count("\n") + 1, found[2])
        for found in FENCED.finditer(text)
        if language is None or found[1] == language
    ]


def code_lines(text: str) -> list[str]:
    """Every line of a fenced block, and every `inline` piece; a line that ends in a backslash goes on."""
    fenced = "".join(code for _, code in blocks(text)).replace("\\\n", " ")
    return [*fenced.splitlines(), *re.findall(r"`([^`\n]+)`", FENCED.sub("", text))]


LINES = [(page, line) for page, text in TEXTS.items() for line in code_lines(text)]
TOGETHER = "\n".join(line for _, line in LINES)


# Commands ----------------------------------------------------------------------------------------------------------


def commands() -> dict[str, set[str]]:
    """Command -> its options, as `recsys --help` has them; one of a group is named with it, as "bench quality"."""
    found = {}
    waiting = [("", typer.main.get_command(command_line))]
    while waiting:
        name, one = waiting.pop(0)
        inside = getattr(one, "commands", {})
        waiting += [(f"{name} {further}".strip(), its) for further, its in inside.items()]
        if not inside:
            found[name] = {option for part in one.params for option in part.opts}
    return found


def mentioned_commands(lines: list[tuple[str, str]]) -> list[tuple[str, str, list[str]]]:
    """Page, command and options of each `recsys <command> ...`."""
    found = []
    for page, line in lines:
        for match in re.finditer(
            r"(?:^|[\s/;&|])(?:recsys|python -m enterprise_recsys) ([a-z][a-z-]*)([^;&|#]*)", line
        ):
            try:
                words = shlex.split(match[2])
            except ValueError:
                words = match[2].split()
            name = match[1]
            if words and f"{name} {words[0]}" in commands():
                name = f"{name} {words[0]}"
            found.append((page, name, [word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)]))
    return found


@pytest.mark.parametrize("name", commands())
def test_every_command_is_described(name: str) -> None:
    assert re.search(rf"\brecsys {name}\b", TOGETHER)


def test_every_command_and_option_that_is_mentioned_exists() -> None:
    known = commands()
    found = mentioned_commands(LINES)
    assert found
    wrong = [f"{page}: recsys {name}" for page, name, _ in found if name not in known]
    wrong += [
        f"{page}: recsys {name} {option}"
        for page, name, options in found
        for option in options
        if option not in known.get(name, set()) | {"--help"}
    ]
    assert wrong == []


def test_a_dial_that_is_set_on_the_command_line_exists() -> None:
    found = re.findall(r"--set[ =]['\"]?(\w+)=", TOGETHER)
    of_baselines = {dial for space in SPACES.values() for dial in space}
    assert set(found) - set(ModelConfig.model_fields) - of_baselines == set()


# Endpoints ---------------------------------------------------------------------------------------------------------


def endpoints() -> set[str]:
    """`GET /path` of each endpoint that the OpenAPI page lists."""
    paths = create_app(Settings(is_open=True)).openapi()["paths"]
    return {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}


def is_answered(path: str, method: str | None = None) -> bool:
    """Whether a path, with values or placeholders in it, leads to an endpoint."""
    known = [one.split(" ") for one in endpoints()] + [["GET", "/docs"], ["GET", "/openapi.json"]]
    return any(
        compile_path(pattern)[0].fullmatch(path) and method in (None, its_method) for its_method, pattern in known
    )


def test_every_endpoint_is_described() -> None:
    assert [one for one in sorted(endpoints()) if one not in TOGETHER] == []


def test_every_endpoint_that_is_mentioned_exists() -> None:
    named = [
        (page, method, path)
        for page, line in LINES
        for method, path in re.findall(r"\b(GET|POST|PUT|PATCH|DELETE) (/[\w/{}.-]*)", line)
    ]
    called = [
        (page, None, path)
        for page, line in LINES
        for path in re.findall(r"(?:localhost|127\.0\.0\.1):8000(/[\w/.-]*)", line)
    ]
    assert named
    assert [(page, method, path) for page, method, path in named + called if not is_answered(path, method)] == []


# Dials -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ModelConfig.model_fields)
def test_every_dial_is_described_with_its_default_as_the_code_has_it(name: str) -> None:
    field = ModelConfig.model_fields[name]
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    assert f"- `{name}` (default `{default!r}`): {field.description}" in TEXTS["docs/reference.md"].splitlines()


def test_every_dial_that_is_described_exists() -> None:
    described = re.findall(r"^- `(\w+)` \(default", TEXTS["docs/reference.md"], re.MULTILINE)
    assert set(described) == set(ModelConfig.model_fields)
    assert len(described) == len(set(described))


def test_every_dial_in_a_python_block_exists() -> None:
    given = {
        word.arg
        for text in TEXTS.values()
        for _, code in blocks(text, "python")
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("ModelConfig")
        for word in node.keywords
    }
    assert given - set(ModelConfig.model_fields) == set()


# Chores, links, versions -------------------------------------------------------------------------------------------


def test_every_chore_that_is_mentioned_exists() -> None:
    chores = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|[\s;&])make ([a-z]+)\b", TOGETHER, re.MULTILINE))
    assert named
    assert named - chores == set()


@pytest.mark.parametrize("page", TEXTS)
def test_every_link_inside_the_repository_leads_somewhere(page: str) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", FENCED.sub("", TEXTS[page]))
    inside = [target for target in targets if not re.match(r"[a-z]+:", target)]
    assert [target for target in inside if not ((ROOT / page).parent / target).exists()] == []


def test_the_newest_version_of_the_changelog_is_the_package() -> None:
    versions = re.findall(r"^## \[?(\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == enterprise_recsys.__version__


# Python blocks -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The names that the README's Python leaves behind, on a world as `make demo` makes it, but smaller."""
    namespace: dict[str, object] = {"__name__": "readme"}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("readme"))
        torch.set_num_threads(1)  # the README takes the default of two, which wait for each other on a busy machine
        patch.setattr(torch, "set_num_threads", lambda threads: None)
        log = make_world(users=60, items=40, days=60, events_per_user=12, seed=1).interactions
        prepared.write(DataProcessor().prepare(log), Path("processed_data.pkl"))
        for line, code in blocks(TEXTS["README.md"], "python"):
            # Blank lines before it, so that a traceback names the README's own line.
            exec(compile("\n" * (line - 1) + code, str(README), "exec"), namespace)
    return namespace


def test_the_python_of_the_readme_runs(ran: dict[str, object]) -> None:
    assert isinstance(ran["trainer"], ProductionTrainer)


# Calls -------------------------------------------------------------------------------------------------------------


@dataclass
class Call:
    """What a line of curl asks: `-X`, the path with its query, `-d`; curl's -H says no more than that it is JSON."""

    method: str
    path: str
    body: str | None

    @classmethod
    def of(cls, line: str) -> Call:
        words = shlex.split(line, comments=True)[1:]
        options = {word: value for word, value in pairwise(words) if word in ("-X", "-H", "-d")}
        (address,) = [word for word in words if word.removeprefix("http://").startswith("localhost:8000/")]
        return cls(options.get("-X", "GET"), address.removeprefix("localhost:8000"), options.get("-d"))


def test_the_calls_of_the_readme_are_answered(ran: dict[str, object]) -> None:
    calls = [Call.of(line) for line in code_lines(TEXTS["README.md"]) if line.startswith("curl ")]
    assert len({call.path for call in calls}) >= 4
    trainer = ran["trainer"]
    assert isinstance(trainer, ProductionTrainer)
    door = TestClient(create_app(Settings(is_open=True), trainer.recommender))
    headers = {"content-type": "application/json"}
    for call in calls:
        answer = door.request(call.method, call.path, content=call.body, headers=headers)
        assert answer.status_code == 200, f"{call}: {answer.text}"
        told = answer.json()
        assert told.get("recommendations") or told.get("items") or told.get("stored"), f"{call}: {answer.text}"


# The test itself ---------------------------------------------------------------------------------------------------


def test_a_planted_fault_would_be_found() -> None:
    page = (
        "Text `recsys fly --high` and\n```bash\nrecsys train \\\n  --data x --nope=3 && .venv/bin/recsys serve\n```\n"
    )
    assert mentioned_commands([("p", line) for line in code_lines(page)]) == [
        ("p", "train", ["--data", "--nope"]),
        ("p", "serve", []),
        ("p", "fly", ["--high"]),
    ]
    assert not is_answered("/v1/nothing")
    assert not is_answered("/v1/similar", "GET")
    assert is_answered("/recommend/42", "GET")
    assert is_answered("/recommend/{user_id}", "GET")
