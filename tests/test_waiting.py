"""Threads of the numeric libraries sleep while they wait for one another."""

import os
import subprocess
import sys

import pytest

PROGRAM = "import os, enterprise_recsys, torch; print(os.environ['OMP_WAIT_POLICY'])"


@pytest.mark.parametrize(("wanted", "policy"), [({}, "passive"), ({"OMP_WAIT_POLICY": "active"}, "active")])
def test_they_sleep_unless_the_environment_says_otherwise(wanted: dict[str, str], policy: str):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_", "KMP_"))}
    variables = {**kept, "OMP_DISPLAY_ENV": "TRUE", **wanted}
    answer = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, env=variables)
    assert answer.stdout.strip() == policy
    # OpenMP tells what it goes by when PyTorch loads it: the package has to have said it before.
    if "OMP_WAIT_POLICY" in answer.stderr:
        assert f"OMP_WAIT_POLICY = '{policy.upper()}'" in answer.stderr
