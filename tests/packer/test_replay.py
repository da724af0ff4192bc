import os
import sys
import time

from nbslim.packer.replay import run_replay

LEAVES_A_WORKER = """
import os, time
if os.fork() == 0:
    time.sleep(60)
print('{"samples": 1, "equal": 1}', flush=True)
os._exit(0)
"""


def test_replay_ends_with_its_process_whatever_that_leaves_running():
    begin = time.monotonic()
    run = run_replay([sys.executable, "-c", LEAVES_A_WORKER], dict(os.environ), "")
    assert run.report is not None
    assert (run.report["samples"], run.problem) == (1, None)
    assert time.monotonic() - begin < 20
