"""Worker processes: replaced when they die, ended with their parent."""

import contextlib
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path

import pytest
from client import ask, client, request
from held import HELD, in_flight
from support import free_port, until, wait_until_ready

SEVERAL = {"NBSLIM_WORKERS": "2", "NBSLIM_STOP_TIMEOUT": "600"}


def children(process):
    found = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [int(child) for child in found]


def state(process):
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # before or while it is read
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    return "gone"


def until_replaced(server, killed):
    """Wait until none of these workers is left, and there are two."""
    until(lambda: len(now := children(server.process.pid)) == 2 and not set(now) & set(killed))


def zombies(process):
    tasks = Path(f"/proc/{process}/task").iterdir()
    found = [child for task in tasks for child in (task / "children").read_text().split()]
    return sum(state(child) == "Z" for child in found)


def end(process, group):
    """Kill a server and its workers, whatever the test made of them."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
    process.wait()


def test_workers_share_one_socket_and_one_count(bundle, serving):
    with serving(bundle(HELD), **SEVERAL) as server:
        assert len(children(server.process.pid)) == 2
        by = set()
        asked = 0
        while by != set(children(server.process.pid)):
            by.add(json.loads(ask(server.port, "/predict", b"0").body))
            asked += 1
            assert asked < 1000
        ask(server.port, "/predict", b"[")
        looked = itertools.count()

        def all_are_counted():  # soon: another worker may just have sent an answer that it has not counted yet
            return counted(server.port) == {"200": asked + next(looked), "400": 1}

        for _ in range(10):
            until(all_are_counted)
        server.process.terminate()
        assert server.process.wait(60) == 0


def counted(port):
    metrics = ask(port, "/metrics").body.decode()
    found = re.findall(r'^nbslim_requests_total{status="(\d+)"} (\d+)$', metrics, re.MULTILINE)
    return {status: int(count) for status, count in found}


def test_connections_go_to_the_worker_that_has_fewer(bundle, serving):
    with serving(bundle(HELD), **SEVERAL) as server, contextlib.ExitStack() as stack:

        def accepted():
            """Open a connection, and return whose it is."""
            one = stack.enter_context(client(server.port))
            one.send(request("/predict", b"0"))
            return json.loads(one.answer().body)

        late, busy = children(server.process.pid)
        os.kill(late, signal.SIGSTOP)
        stack.callback(os.kill, late, signal.SIGCONT)
        until(lambda: state(late) == "T")
        counts = Counter(accepted() for _ in range(60))
        assert counts == {busy: 60}
        os.kill(late, signal.SIGCONT)
        while counts[late] < counts[busy] - 2:
            time.sleep(0.02)  # a worker that is ahead lets others go first only so often
            counts[accepted()] += 1
            assert counts.total() < 300, counts  # by chance alone, it would be many more


def test_answers_are_counted_by_each_worker_for_itself(bundle, serving):
    predictor = "predictor = lambda x: 'cat'"
    samples = ({"input": 1, "answer": "cat"},)
    with serving(bundle(predictor, samples), **SEVERAL) as server, contextlib.ExitStack() as stack:
        several = [stack.enter_context(client(server.port)) for _ in range(8)]
        for _ in range(250):
            for one in several:
                one.send(request("/predict", b"1"))
            for one in several:
                assert one.answer().body == b'"cat"'
        metrics = ask(server.port, "/metrics").body
        assert b'nbslim_predictions_total{value="cat"} 2000\n' in metrics
        server.process.terminate()
        assert server.process.wait(60) == 0


def test_killed_worker_is_replaced_and_counted(bundle, serving):
    with serving(bundle(HELD), **SEVERAL) as server:
        before = children(server.process.pid)
        os.kill(before[0], signal.SIGKILL)
        until_replaced(server, before[:1])
        assert before[1] in children(server.process.pid)
        assert (
            f"(process {before[0]}) ended by signal 9; another one takes" in server.process.stderr.readline()
        )
        for _ in range(10):
            assert json.loads(ask(server.port, "/predict", b"0").body) in children(server.process.pid)
        assert b"nbslim_worker_restarts_total 1\n" in ask(server.port, "/metrics").body
        server.process.terminate()
        assert server.process.wait(60) == 0


def test_count_goes_on_where_a_killed_worker_left_it(bundle, serving):
    with serving(bundle(HELD), **SEVERAL) as server:
        for _ in range(3):
            for _ in range(10):
                ask(server.port, "/predict", b"0")
            killed = children(server.process.pid)
            for child in killed:
                os.kill(child, signal.SIGKILL)
            until_replaced(server, killed)
        assert 24 <= counted(server.port)["200"] <= 30  # each of the six may have had one still to count
        until(lambda: in_flight(server.port) == 0)
        server.process.terminate()
        assert server.process.wait(60) == 0


def test_asked_worker_finishes_and_is_replaced(bundle, serving, held):
    with serving(bundle(HELD), **SEVERAL) as server, client(server.port) as one:
        one.send(request("/predict", b"0"))
        worker = json.loads(one.answer().body)
        one.send(request("/predict", held.body))
        held.wait()
        os.kill(worker, signal.SIGTERM)
        held.let_go()
        assert json.loads(one.answer().body) == worker
        until_replaced(server, [worker])
        server.process.terminate()
        assert server.process.wait(60) == 0


def test_workers_end_when_their_parent_is_killed(bundle, serving, held):
    with serving(bundle(HELD), **SEVERAL) as server, client(server.port) as one:
        workers = children(server.process.pid)
        one.send(request("/predict", held.body))
        held.wait()
        server.process.kill()
        held.let_go()
        assert json.loads(one.answer().body) in workers
        until(lambda: all(state(worker) in {"gone", "Z"} for worker in workers))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("kills", [False, True])
def test_signal_to_all_processes_at_once_ends_them_in_order(number, kills, bundle, serving, held):
    with serving(bundle(HELD), prefix=["setsid"], **SEVERAL) as server, client(server.port) as one:
        workers = children(server.process.pid)
        try:
            one.send(request("/predict", held.body))
            held.wait()
            if kills:
                os.kill(workers[1], signal.SIGKILL)  # its successor is being started
                time.sleep(0.1)
            os.killpg(server.process.pid, number)
            held.let_go()
            if not kills:
                assert json.loads(one.answer().body) in workers
            assert server.process.wait(60) == 0
            until(lambda: all(state(worker) == "gone" for worker in workers))
        finally:
            end(server.process, server.process.pid)


def test_signal_that_comes_while_workers_start_ends_all(bundle, serving):
    folder = bundle(HELD)
    for wait in [0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05]:
        with serving(folder, prefix=["setsid"], **SEVERAL) as server:
            os.kill(children(server.process.pid)[0], signal.SIGKILL)
            time.sleep(wait)
            server.process.terminate()
            try:
                assert server.process.wait(60) == 0
            finally:
                end(server.process, server.process.pid)


def test_workers_that_die_again_and_again_are_started_less_and_less_often(tmp_path):
    script = """
        import os, pathlib, signal, sys, time
        from nbslim.runtime.figures import Figures
        from nbslim.runtime.workers import Workers

        starts = pathlib.Path(sys.argv[1])

        def work(tell_ready):
            with starts.open("a") as file:
                file.write(f"{time.monotonic()}\\n")
            tell_ready()
            if len(starts.read_text().splitlines()) == 1:
                time.sleep(1.2)  # the first one lives long enough to be replaced at once
            raise LookupError("of the worker")

        workers = Workers(1, work, Figures(2), lambda line: None)
        print(workers.run(lambda: None, lambda: print("stopping"), 1), flush=True)
    """
    starts = tmp_path / "starts"
    command = [sys.executable, "-c", textwrap.dedent(script), starts]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        until(lambda: starts.exists() and len(starts.read_text().splitlines()) == 6)
        process.terminate()
        said, errors = process.communicate(timeout=60)
    assert said == "stopping\nTrue\n"
    times = [float(line) for line in starts.read_text().splitlines()]
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert [found >= least for found, least in zip(pauses, [1.2, 0.1, 0.2, 0.4, 0.8])] == [True] * 5
    assert "LookupError: of the worker" in errors


@pytest.mark.parametrize("workers", ["1", "2"])
def test_orphans_of_a_predictor_leave_no_zombies_behind_process_1(workers, bundle, serving):
    """The first process of a container gets the children of processes that ended; the predictor keeps its own."""
    predictor = """
        def predictor(x):
            import os, subprocess
            global own
            if x is None:
                return own.wait()
            if x == 0:
                own = subprocess.Popen(["sh", "-c", "exit 7"])
            subprocess.run(["sh", "-c", "sleep 0.2 & echo $!"], check=True)
            return os.getpid()
    """
    unshare = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if subprocess.run([*unshare, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no namespace of processes can be made here")
    with serving(bundle(predictor), prefix=unshare, NBSLIM_WORKERS=workers) as server:
        (first,) = children(server.process.pid)
        with client(server.port) as one:  # one connection: one worker
            for number in range(5):
                one.send(request("/predict", b"%d" % number))
                assert one.answer().status == 200
            time.sleep(0.5)
            until(lambda: zombies(first) <= (workers == "1"))  # the predictor's own
            one.send(request("/predict", b"null"))
            assert one.answer().body == b"7"
        os.kill(first, signal.SIGTERM)
        assert server.process.wait(60) == 0


@pytest.mark.parametrize("output", ["> /dev/full 2>&1", "> >(true) 2>&1"], ids=["full disk", "nobody reads"])
def test_service_goes_on_where_nothing_can_be_said(output, bundle):
    port, folder = free_port(), bundle("predictor = lambda x: __import__('os').getpid()")
    command = ["bash", "-c", f'exec "$@" {output}', "bash", sys.executable, "-m", "nbslim.runtime", folder]
    with subprocess.Popen(command, env={**os.environ, "PORT": str(port), **SEVERAL}) as process:
        try:
            wait_until_ready(f"http://127.0.0.1:{port}")
            first = json.loads(ask(port, "/predict", b"1").body)
            os.kill(first, signal.SIGKILL)
            until(lambda: state(first) == "gone")
            assert json.loads(ask(port, "/predict", b"1").body) in children(process.pid)
            process.terminate()
            assert process.wait(60) == 0
        finally:
            process.terminate()


def test_worker_whose_predictor_closed_stdout_ends_as_any_other(bundle, serving):
    with serving(bundle("predictor = lambda x: __import__('sys').stdout.close()"), **SEVERAL) as server:
        for _ in range(10):
            assert ask(server.port, "/predict", b"1").status == 200
        server.process.terminate()
        assert server.process.wait(60) == 0
        assert server.process.stderr.read() == ""
