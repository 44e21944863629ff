"""Ctrl-C waits for the end of what must not be torn apart."""

import signal
import threading

import pytest

from segcritic.training.interrupts import TornError, held_back


def test_ctrl_c_comes_after_the_block():
    done = []

    def update():
        with held_back():
            signal.raise_signal(signal.SIGINT)
            done.append(1)

    with pytest.raises(KeyboardInterrupt):
        update()
    assert done == [1]
    with pytest.raises(KeyboardInterrupt):  # and the next one comes at once again
        signal.raise_signal(signal.SIGINT)


def test_a_second_ctrl_c_breaks_the_block():
    done = []

    def update():
        with held_back():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            done.append(1)

    with pytest.raises(TornError):
        update()
    assert not done


def test_an_error_in_the_block_is_told():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ValueError, match="itself"), held_back():
        raise ValueError("itself")
    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_are_left_alone():
    seen = []

    def work():
        with held_back():
            seen.append(signal.getsignal(signal.SIGINT))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
