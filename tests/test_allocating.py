"""What a step of training frees is kept for the next."""

import subprocess
import sys

import pytest

TOUCHED = """
import resource, numpy as np
from enterprise_recsys.allocating import keep_freed_memory
took = keep_freed_memory() if {wanted} else None
def faults():
    begin = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.ones(48_000_000, dtype=np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - begin
print(took, faults())
"""


def told(*, wanted: bool) -> tuple[str, int]:
    program = TOUCHED.format(wanted=wanted)
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    took, faults = answer.stdout.split()
    return took, int(faults)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallopt is a call of Linux's glibc")
def test_a_block_that_was_freed_is_not_asked_for_again():
    took, kept = told(wanted=True)
    if took != "True":
        pytest.skip("this C library has no mallopt")
    _, anew = told(wanted=False)
    assert kept < anew / 2


SCATTERED = """
import numpy as np
from enterprise_recsys.allocating import give_back_memory, keep_freed_memory
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
keep_freed_memory()
blocks = [np.ones(1_000_000, dtype=np.uint8) for _ in range(400)]
kept = blocks[::20]
del blocks
before = resident()
give_back_memory()
print((before - resident()) / 1e6)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="malloc_trim is a call of Linux's glibc")
def test_what_lies_free_between_blocks_is_given_back():
    answer = subprocess.run([sys.executable, "-c", SCATTERED], capture_output=True, text=True, check=True)
    if told(wanted=True)[0] != "True":
        pytest.skip("this C library has no malloc_trim")
    assert float(answer.stdout) > 200, "of the 400 MB that were touched 20 are held"
