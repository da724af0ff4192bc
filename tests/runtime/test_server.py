import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from support import free_port, wait_until_ready

SLEEPY = """
    def predictor(seconds):
        import time
        time.sleep(seconds)
        return seconds
"""


def post(port, body, content_type="application/x-www-form-urlencoded"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", "/predict", body, {"Content-Type": content_type})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def start(*arguments, **environ):
    command = [sys.executable, "-m", "nbslim.runtime", *map(str, arguments)]
    environment = {**os.environ, **environ}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20, check=False)


def test_server_says_where_it_listens_and_answers(bundle, serving):
    with serving(bundle("predictor = lambda x: sum(x)")) as server:
        assert server.said == f"nbslim: toy listens on http://0.0.0.0:{server.port}\n"
        assert post(server.port, "[1, 2]") == (200, "3")


def test_bundle_can_be_named_by_the_environment(bundle):
    done = start(NBSLIM_BUNDLE=str(bundle("predictor = str", python="3.2")))
    assert (done.returncode, done.stdout) == (1, "")
    assert "made by Python 3.2" in done.stderr


def test_requests_run_side_by_side(bundle, serving):
    with serving(bundle(SLEEPY), NBSLIM_THREADS="4") as server, ThreadPoolExecutor(4) as pool:
        begin = time.monotonic()
        answers = list(pool.map(lambda _: post(server.port, "0.5"), range(4)))
        assert answers == [(200, "0.5")] * 4
        assert time.monotonic() - begin < 1.5


def test_large_body_needs_no_temporary_folder(bundle, serving):
    with serving(bundle("predictor = len"), TMPDIR="/nowhere") as server:
        assert post(server.port, json.dumps("x" * 2_000_000)) == (200, "2000000")


def test_failure_does_not_end_the_server(bundle, serving, stop):
    with serving(bundle("predictor = lambda x: exit(3) if x else x")) as server:
        assert post(server.port, "1")[0] == 500
        assert post(server.port, "0") == (200, "0")
        stop(server.process)
        assert "SystemExit: 3" in server.process.stderr.read()


def test_server_ends_though_what_the_predictor_forked_goes_on(bundle, serving, stop):
    predictor = """
        def predictor(seconds):
            import multiprocessing, time
            child = multiprocessing.get_context("fork").Process(target=time.sleep, args=[seconds])
            child.start()
            return child.pid
    """
    with serving(bundle(predictor)) as server:
        status, pid = post(server.port, "600")
        try:
            assert status == 200
            assert stop(server.process) < 10
            assert server.process.returncode == 0
        finally:
            os.kill(int(pid), signal.SIGKILL)


def test_predictor_may_end_what_it_forks(bundle, serving):
    predictor = """
        def predictor(seconds):
            import multiprocessing, time
            child = multiprocessing.get_context("fork").Process(target=time.sleep, args=[seconds])
            child.start()
            child.terminate()
            child.join()
            return child.exitcode
    """
    with serving(bundle(predictor)) as server:
        assert post(server.port, "15") == (200, str(-signal.SIGTERM))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle_server_stops_at_once(number, bundle, serving, stop):
    with serving(bundle(SLEEPY)) as server, socket.create_connection(("127.0.0.1", server.port)):
        assert stop(server.process, number) < 2
        assert server.process.returncode == 0
        assert server.process.stderr.read() == ""


def test_signal_that_the_kernel_gives_to_another_thread_stops_as_any_other(bundle, serving):
    """It does so while the main thread is traced, for instance; only that one runs Python's handlers."""
    predictor = """
        def predictor(x):
            import signal, threading
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
            return x
    """
    with serving(bundle(predictor)) as server:
        assert post(server.port, "1") == (200, "1")
        assert server.process.wait(5) == 0


def test_signal_to_a_process_that_a_predictor_forked_does_not_reach_the_server(bundle, serving):
    predictor = """
        def predictor(x):
            import os, signal, time
            pid = os.fork()
            if not pid:
                signal.signal(signal.SIGTERM, lambda *_: None)  # written to what Python wakes a process by
                os.kill(os.getpid(), signal.SIGTERM)
                os._exit(0)
            os.waitpid(pid, 0)
            return x
    """
    with serving(bundle(predictor)) as server:
        assert post(server.port, "1") == (200, "1")
        time.sleep(0.3)
        assert post(server.port, "2") == (200, "2")


def test_running_and_waiting_requests_are_answered_before_the_end(bundle, serving, stop):
    with serving(bundle(SLEEPY), NBSLIM_THREADS="4") as server, ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(post, server.port, "1") for _ in range(8)]  # twice as many as threads
        time.sleep(0.5)
        assert 1 < stop(server.process) < 5
        assert [answer.result() for answer in answers] == [(200, "1")] * 8
        assert server.process.returncode == 0


def test_stopping_server_refuses_new_connections_and_closes_old_ones(bundle, serving):
    with serving(bundle(SLEEPY)) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        connection.request("POST", "/predict", "1")
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port))
        response = connection.getresponse()
        assert (response.read(), response.getheader("Connection")) == (b"1", "close")
        connection.close()
        assert server.process.wait(timeout=10) == 0


def test_request_that_never_ends_does_not_keep_the_server(bundle, serving, stop):
    with serving(bundle(SLEEPY)) as server, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(post, server.port, "3600")
        time.sleep(0.5)
        assert 9 < stop(server.process) < 15
        assert isinstance(answer.exception(), OSError)
        assert server.process.returncode == 0
        assert server.process.stderr.read() == "nbslim: stopped with requests still running\n"


def test_signal_while_loading_ends_the_server(bundle):
    folder = bundle(b"cos\nsystem\n(S'echo loading; exec sleep 2'\ntR.")
    command = [sys.executable, "-m", "nbslim.runtime", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "loading\n"
        process.terminate()
        assert process.wait(timeout=10) == 0
        assert process.stderr.read() == ""


def test_bad_bundle_stops_the_start_with_one_line(tmp_path):
    done = start(tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"nbslim: {tmp_path / 'manifest.json'}: No such file or directory\n"


@pytest.mark.parametrize("port", ["x", "0", "65536", "-1", "80.5"])
def test_bad_port_stops_the_start_with_one_line(port, tmp_path):
    done = start(tmp_path, PORT=port)
    assert done.returncode == 2
    assert done.stderr == f"nbslim: PORT must be a whole number from 1 to 65535, not '{port}'\n"


def test_port_in_use_stops_the_start_with_one_line(bundle):
    with socket.create_server(("0.0.0.0", 0)) as taken:
        done = start(bundle("predictor = str"), PORT=str(taken.getsockname()[1]))
        said = f"nbslim: port {taken.getsockname()[1]} of 0.0.0.0 cannot be listened on: "
    assert done.returncode == 1
    assert done.stderr == said + "Address already in use; set PORT or NBSLIM_HOST\n"


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_server_needs_neither_stdin_nor_stdout_nor_stderr(closed, workers, bundle):
    port, folder = free_port(), bundle("predictor = open")
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-m", "nbslim.runtime", folder]
    environment = {**os.environ, "PORT": str(port), "NBSLIM_WORKERS": workers}
    with subprocess.Popen(command, env=environment) as process:
        try:
            wait_until_ready(f"http://127.0.0.1:{port}")
            assert post(port, '"/nowhere"')[0] == 500  # its traceback goes to stderr
        finally:
            process.terminate()
        assert process.wait(10) == 0


@pytest.mark.parametrize("arguments", [("a", "b"), ("--what",)])
def test_wrong_arguments_stop_the_start_with_one_line(arguments):
    done = start(*arguments)
    assert (done.returncode, done.stderr) == (2, "nbslim: usage: python -m nbslim.runtime [BUNDLE]\n")
