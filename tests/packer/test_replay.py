import os
import signal
import sys

from nbslim.packer.replay import run_replay

LEAVES_A_WORKER = """
import os, time
worker = os.fork()
if not worker:
    time.sleep(600)
print('{"samples": 1, "equal": 1, "worker": %d}' % worker, flush=True)
os._exit(0)
"""


def test_replay_ends_with_its_process_whatever_that_leaves_running():
    run = run_replay([sys.executable, "-c", LEAVES_A_WORKER], dict(os.environ), "")
    assert run.report is not None
    assert (run.report["samples"], run.problem) == (1, None)
    os.kill(run.report["worker"], signal.SIGKILL)  # it is still there
