"""Stopping by time and by signals."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from deltasr.training.stopping import Stopping, leave_signals_to_the_main_process


def test_without_a_limit_nothing_is_wanted():
    with Stopping(None) as stopping:
        assert not stopping.wanted


@pytest.mark.parametrize(("minutes", "wanted"), [(0.0, True), (60.0, False)])
def test_the_time_counts_from_the_beginning(minutes: float, wanted: bool):
    assert Stopping(minutes).wanted is wanted


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_to_stop_and_the_next_one_does_what_it_always_does(number: signal.Signals):
    received: list[int] = []
    before = signal.signal(number, lambda number, frame: received.append(number))
    try:
        with Stopping(None) as stopping:
            os.kill(os.getpid(), number)
            assert stopping.wanted
            assert received == []
            os.kill(os.getpid(), number)
            assert received == [number]
        os.kill(os.getpid(), number)
        assert received == [number, number]
    finally:
        signal.signal(number, before)


def test_handlers_are_put_back_after_an_error():
    before = signal.getsignal(signal.SIGINT)

    def fail() -> None:
        with Stopping(None):
            assert signal.getsignal(signal.SIGINT) is not before
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_do_without_signals():
    failures: list[BaseException] = []

    def enter() -> None:
        try:
            with Stopping(None) as stopping:
                assert not stopping.wanted
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert failures == []


def test_workers_leave_ctrl_c_to_the_main_process():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        leave_signals_to_the_main_process(0)
        os.kill(os.getpid(), signal.SIGINT)
    finally:
        for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
            signal.signal(number, handler)
