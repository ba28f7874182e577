"""One line for each thing that is told, whatever it holds, and the same form for our lines and the server's."""

from __future__ import annotations

import json
import logging
import logging.config
import subprocess
import sys

import pytest

from enterprise_recsys.errors import ConfigError
from enterprise_recsys.service.logs import JsonLines, TextLines, form_of, log_config, moment


def record(message: str, *told: object, error: Exception | None = None) -> logging.LogRecord:
    about = (type(error), error, None) if error else None
    made = logging.LogRecord("some.where", logging.WARNING, "file.py", 1, message, told, about)
    made.created, made.msecs = 1_772_366_400.123, 123.0
    return made


def test_text_has_time_level_and_place() -> None:
    line = TextLines().format(record("%d answers wait", 3))
    assert line == "2026-03-01T12:00:00.123Z WARNING some.where: 3 answers wait"


def test_no_message_forges_a_line() -> None:
    forged = record("user %s", "x\n2026-03-01T12:00:00.000Z ERROR fake: \x1b[31mpaid\u2028")
    assert "\n" not in TextLines().format(forged) and "\x1b" not in TextLines().format(forged)
    assert "\\n2026" in TextLines().format(forged)
    line = JsonLines().format(forged)
    assert line.isprintable() and json.loads(line)["message"].startswith("user x\n2026")


def test_json_holds_the_traceback_in_the_same_line() -> None:
    told = json.loads(JsonLines().format(record("it broke", error=ValueError("two\nlines"))))
    assert (told["time"], told["level"], told["logger"]) == (moment(record("")), "WARNING", "some.where")
    assert told["message"] == "it broke" and "ValueError: two\nlines" in told["error"]
    assert "ValueError" in TextLines().format(record("it broke", error=ValueError("x"))).splitlines()[1]


def test_the_environment_says_which() -> None:
    assert (form_of({}), form_of({"RECSYS_LOG": ""}), form_of({"RECSYS_LOG": "json"})) == ("text", "text", "json")
    with pytest.raises(ConfigError, match="RECSYS_LOG='yaml' is not known; set text"):
        form_of({"RECSYS_LOG": "yaml"})


def test_the_server_s_lines_have_the_same_form_and_come_once_and_no_path_is_logged() -> None:
    program = (
        "import logging, logging.config\nfrom enterprise_recsys.service.logs import log_config\n"
        "logging.getLogger('uvicorn.access').addHandler(logging.StreamHandler())\n"  # as the server has it by then
        "logging.config.dictConfig(log_config('json'))\n"
        "for name in ('uvicorn.error', 'uvicorn', 'uvicorn.access', 'other', 'enterprise_recsys.x'):\n"
        "    logging.getLogger(name).info('told')\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stderr
    assert [json.loads(line)["logger"] for line in said.splitlines()] == [
        "uvicorn.error",
        "uvicorn",
        "enterprise_recsys.x",
    ]
    assert log_config("text") != log_config("json")
