"""Wait for sockets and do what they bring in one thread; another one goes on while a slow call keeps that thread.

Handing each request from a thread that reads to a thread that answers makes two threads fight for the interpreter
lock: measured, it more than doubled what a request costs. So one thread, the leader, reads, answers and writes.
Only when a job keeps it longer than PATIENCE, a thread that stood by takes the lead (after the leader/followers
pattern of Schmidt and others, where every job changes the leader). Where several calls may run at a time and they
usually take long, the leader leaves the lead to another before each, as that pattern has it.
"""

from __future__ import annotations

import logging
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from waitress import wasyncore  # type: ignore[import-untyped]  # waitress ships no types
from waitress.trigger import trigger  # type: ignore[import-untyped]

PATIENCE = 0.01
"""Seconds that a job may keep the leader."""
BRIEF = 0.001
"""Seconds that calls may usually take, where several may run at a time, for the leader to do them and keep the lead."""
LAST = 5
"""Calls of which the middle one, by how long it took, is the usual one: a hiccup is not."""
TICK = 1.0
_log = logging.getLogger("nbslim.runtime")


class Job(Protocol):
    """Something to do that may take long; `counted`: it takes one of the places for calls of the predictor."""

    counted: bool

    def service(self) -> None:
        """Do it."""

    def give_up(self) -> None:
        """Have no more to do with it: doing it raised what it should not."""

    def settle(self) -> None:
        """Send what is left to be sent; only the leader calls it, when the job is done."""


def _waits_for_none(job: Job) -> bool:  # noqa: ARG001 - the signature of `Loop.gather`
    return False


class Loop:
    """Runs in `places` + 1 threads, of which `places` do counted jobs at a time."""

    def __init__(self, places: int, on_tick: Callable[[float], None]) -> None:
        self.map: dict[int, Any] = {}
        """waitress' map of sockets, by file descriptor."""
        self.before_waiting: Callable[[], None] = lambda: None
        self.when_idle: Callable[[], None] = lambda: None
        """Called when a wait brought nothing."""
        self.gather: Callable[[Job], bool] = _waits_for_none
        """Takes a job that waits for others, and returns True; `gathered` gives it back as part of a batch."""
        self.gathered: Callable[[], tuple[Job | None, float]] = lambda: (None, TICK)
        """Returns a batch that is due, or the seconds until one may be."""
        self.longest_wait = TICK
        """Seconds to wait at most."""
        self._on_tick = on_tick
        self._places = places
        self._ready: deque[Job] = deque()
        self._parked: deque[Job] = deque()
        self._calls: deque[Callable[[], object]] = deque()
        self._epoll = select.epoll()
        self._flags: dict[int, int] = {}
        self._trigger = trigger(self.map)
        self._changed = threading.Condition(threading.Lock())
        self._leader = 0
        self._job: Job | None = None
        self._gone_on = 0
        """How often a leader was done with a job, or left the lead."""
        self._running = 0
        self._took: deque[float] = deque([0.0] * LAST, maxlen=LAST)
        """Seconds that the last counted jobs took which a leader did."""
        self._long = False
        self._tries_again = 0.0
        self._awake = False
        self._watched = False
        self._ending = False
        self._next_tick = 0.0
        self._threads: list[threading.Thread] = []
        self.watch(self._trigger)

    def start(self) -> None:
        """Start the threads."""
        self._threads = [
            threading.Thread(target=self._run, name=f"nbslim-{number}", daemon=True)
            for number in range(self._places + 1)
        ]
        for thread in self._threads:
            thread.start()

    def add(self, job: Job) -> None:
        """Do `job` when all sockets that are ready now have been read; only the leader calls this."""
        self._ready.append(job)

    def call(self, function: Callable[[], object]) -> None:
        """Have the leader call `function` soon; any thread may ask for it."""
        self._calls.append(function)
        self._trigger.pull_trigger()

    def end(self) -> None:
        """Let all threads end that are not kept by a job; only the leader calls this."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()

    def join(self, seconds: float) -> bool:
        """Wait for the threads; return whether all ended in time."""
        end = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(end - time.monotonic(), 0))
        return not any(thread.is_alive() for thread in self._threads)

    def close(self) -> None:
        """Close all sockets; the threads have ended."""
        wasyncore.close_all(self.map)
        self._epoll.close()

    def watch(self, one: Any) -> None:
        """Wait for what a waitress dispatcher wants to do now; only the leader calls this, or who has not started."""
        number = one._fileno  # noqa: SLF001 -- how waitress' dispatchers tell it
        flags = (select.EPOLLIN if one.readable() else 0) | (select.EPOLLOUT if one.writable() else 0)
        known = self._flags.get(number, 0)
        if known == flags:
            return
        if not flags:  # or it would still be told when the other side is gone
            self._epoll.unregister(number)
        elif known:
            self._epoll.modify(number, flags)
        else:
            self._epoll.register(number, flags)
        self._flags[number] = flags

    def forget(self, number: int) -> None:
        """Wait no more for a file descriptor that is about to be closed."""
        if self._flags.pop(number, 0):
            self._epoll.unregister(number)

    def _run(self) -> None:
        me = threading.get_ident()
        while self._stand_by(me):
            while self._leader == me and not self._ending:
                try:
                    self._go_on(me)
                except Exception:  # one connection's fault is not the end of the others
                    _log.exception("the server failed")

    def _go_on(self, me: int) -> None:
        """Do the next job, or wait for sockets."""
        job = self._next()
        if job is not None:
            self._do(job, me)

    def _stand_by(self, me: int) -> bool:
        """Wait until this thread leads; return False when there is nothing to lead any more."""
        with self._changed:
            while self._leader not in {0, me} and not self._ending:
                if self._awake and not self._watched:
                    self._watch_leader(me)
                else:
                    self._changed.wait()
            self._leader = me
            return not self._ending

    def _watch_leader(self, me: int) -> None:
        """Take the lead if one job keeps the leader; stop watching when there are none. The lock is held."""
        self._watched = True
        before = self._gone_on
        self._changed.wait_for(lambda: not self._leader or self._ending, PATIENCE)
        self._watched = False
        if before != self._gone_on:
            return
        if self._job is None:
            self._awake = False
        else:
            self._calls.append(self._job.settle)  # what it came from is not read meanwhile
            self._job = None
            self._leader = me
            self._changed.notify()

    def _next(self) -> Job | None:
        """Return the next job, or wait for sockets and return none."""
        if self._parked and self._running < self._places:
            return self._parked.popleft()
        while self._ready:
            job = self._ready.popleft()
            if not self.gather(job) and not self._park(job):
                return job
        batch, seconds = self.gathered() if self._running < self._places else (None, TICK)
        if batch is None:
            self._wait(seconds)
        return batch

    def _park(self, job: Job) -> bool:
        """Keep a job for which there is no place until there is one."""
        if not job.counted or self._running < self._places:
            return False
        self._parked.append(job)
        job.settle()
        return True

    def _wait(self, seconds: float) -> None:
        self.before_waiting()
        self._do_calls()  # what is not to be read now must not be found readable
        events = self._epoll.poll(min(seconds, self.longest_wait))
        for number, flags in events:
            one = self.map.get(number)
            if one is not None:
                wasyncore.readwrite(one, flags)
        if not events and not self._calls:
            self.when_idle()
        self._do_calls()
        now = time.monotonic()
        if now >= self._next_tick:
            self._next_tick = now + TICK
            self._on_tick(now)

    def _do_calls(self) -> None:
        while self._calls:
            self._calls.popleft()()

    def _do(self, job: Job, me: int) -> None:
        counted = job.counted  # now: a connection's next request may be of the other kind
        leaves = counted and self._leaves_lead()
        if leaves:
            job.settle()  # what it came from is not read meanwhile
        with self._changed:
            self._running += counted
            if leaves:
                self._leave_lead()
            else:
                self._keep_lead(job)
        begin = time.monotonic()
        _serviced(job)
        with self._changed:
            self._running -= counted
            if counted and not leaves:
                self._learn(time.monotonic() - begin)
            leads = self._leader == me
            if leads:
                self._job = None
                self._gone_on += 1
        if leads:
            job.settle()
        else:
            self.call(job.settle)

    def _keep_lead(self, job: Job) -> None:
        """Do a job as the leader, whom one of those who stand by watches. The lock is held."""
        self._job = job
        if not self._awake:
            self._awake = True
            self._changed.notify()

    def _leave_lead(self) -> None:
        """Let one of those who stand by lead. The lock is held."""
        self._leader = 0
        self._gone_on += 1
        self._changed.notify()

    def _leaves_lead(self) -> bool:
        """Return whether to leave the lead for a call: where calls are long, but for one each second, which tells."""
        now = time.monotonic()
        if self._long and now < self._tries_again:
            return True
        self._tries_again = now + TICK
        return False

    def _learn(self, seconds: float) -> None:
        """Note how long a call took that the leader did."""
        self._took.append(seconds)
        self._long = self._places > 1 and sorted(self._took)[LAST // 2] > BRIEF


def _serviced(job: Job) -> None:
    try:
        job.service()
    except BaseException:
        _log.exception("a request was given up")
        job.give_up()
