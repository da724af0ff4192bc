import os
import threading

import pytest
from nbslim.runtime.figures import OTHERS, Figures


def test_numbers_of_all_processes_are_read_by_each():
    figures = Figures(3)
    for number in (1, 2):
        pid = os.fork()
        if not pid:
            figures.own(number)
            for _ in range(1000):
                figures.add("requests", "200")
            os._exit(0)
        os.waitpid(pid, 0)
    figures.add("requests", "200", 0.5)
    assert figures.collect() == {("requests", "200"): (0.5, 1000.0, 1000.0)}


def test_successor_goes_on_from_what_was_counted():
    figures = Figures(2)
    figures.own(1)
    figures.add("a", "x")
    figures.own(0)
    figures.own(1)
    figures.add("a", "x")
    figures.set("gauge", 7)
    figures.set("gauge", 0)
    assert figures.collect() == {("a", "x"): (2.0,), ("gauge", ""): (0.0,)}


class MeetingPoint:
    """A lock that nobody takes before two threads have come to it."""

    def __init__(self):
        self._both, self._lock = threading.Barrier(2, timeout=60), threading.Lock()

    def __enter__(self):
        self._both.wait()
        self._lock.acquire()

    def __exit__(self, *_):
        self._lock.release()


def test_number_that_two_threads_begin_at_once_is_one():
    figures = Figures(1)
    figures._lock = MeetingPoint()
    threads = [threading.Thread(target=figures.add, args=("requests", "200")) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert figures.collect() == {("requests", "200"): (2.0,)}


@pytest.mark.parametrize("labels", [[str(number) for number in range(2000)], ["x" * 500], ["\u00e4" * 80]])
def test_what_has_no_room_is_counted_together(labels):
    figures = Figures(1)
    for label in labels:
        figures.add("a", label)
    found = figures.collect()
    assert sum(value for (value,) in found.values()) == len(labels)
    assert found["a", OTHERS][0] > 0
    figures.add("b", "still has room")
    assert figures.collect()["b", "still has room"] == (1.0,)


def test_forked_process_is_ahead_if_another_has_fewer_connections():
    figures = Figures(3)
    assert not figures.is_ahead()
    figures.own(1)
    for count, ahead in ((0, False), (1, False), (2, True)):
        figures.note_connections(count)
        assert figures.is_ahead() is ahead
    figures.own(2)
    assert not figures.is_ahead()
    figures.note_connections(1)
    figures.own(1)
    assert not figures.is_ahead()


def test_process_that_serves_alone_is_never_ahead():
    figures = Figures(2)
    figures.note_connections(1000)
    assert not figures.is_ahead()
    assert figures.collect() == {}
