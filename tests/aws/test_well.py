"""Whether the fetcher is well: what the service manager's watchdog is told."""

from __future__ import annotations

import os
import signal
import threading
import time

from ecr_refreshd.aws.fetcher import Fetcher
from ecr_refreshd.aws.running import Limits
from ecr_refreshd.host.clock import SystemClock
from tests.aws.asking import Asking, children, ecr, wait_until
from tests.world import homes

QUICK = Limits(grant=0.5, child=4.0, grace=0.4)


def test_before_the_first_order_and_idle_after_it_all_is_well(asking, aws, tmp_path) -> None:
    assert asking.fetcher.well()
    homes.static_keys(tmp_path, "dev", homes.access_key())
    asking.token(ecr("dev"))
    wait_until(lambda: not list(children()))
    assert asking.fetcher.well()


def test_a_program_that_hangs_is_none_of_our_illness(aws, tmp_path) -> None:
    homes.credential_process(tmp_path, "stuck", "import time\ntime.sleep(300)")
    with Asking(aws.environment(tmp_path), QUICK) as asking:
        asking.begin(ecr("stuck"))
        while asking.answers.empty():
            assert asking.fetcher.well()
            time.sleep(0.01)
        asking.answer()
        wait_until(lambda: not list(children()))
        assert asking.fetcher.well()


def test_a_stopped_child_is_killed_and_all_stays_well(aws, tmp_path) -> None:
    homes.credential_process(tmp_path, "stuck", "import time\ntime.sleep(300)")
    with Asking(aws.environment(tmp_path), QUICK) as asking:
        asking.begin(ecr("stuck"))
        wait_until(lambda: list(children()))
        os.kill(next(children()), signal.SIGSTOP)
        asking.answer()
        wait_until(lambda: not list(children()))
        assert asking.fetcher.well()


def test_a_child_that_cannot_be_killed_is_told(aws, tmp_path, monkeypatch) -> None:
    """As one in a dead network file system would be."""
    monkeypatch.setattr("ecr_refreshd.aws.running.os.killpg", lambda _group, _signal: None)
    homes.static_keys(tmp_path, "stuck", homes.access_key())
    aws.fault("GetAuthorizationToken", way="hang")
    with Asking(aws.environment(tmp_path), QUICK) as asking:
        asking.begin(ecr("stuck"))
        wait_until(lambda: list(children()))
        os.kill(next(children()), signal.SIGSTOP)
        asking.answer()
        wait_until(lambda: not asking.fetcher.well())
        monkeypatch.undo()
        wait_until(lambda: not list(children()))
        wait_until(asking.fetcher.well)


def test_a_thread_that_hangs_is_told(aws, tmp_path) -> None:
    """Here in what it was made to call."""
    homes.static_keys(tmp_path, "dev", homes.access_key())
    go_on = threading.Event()
    fetcher = Fetcher(
        lambda _answer: go_on.wait(10) and None, aws.environment(tmp_path), SystemClock(), limits=QUICK
    )
    order = Asking(aws.environment(tmp_path)).order(ecr("dev"))
    fetcher.fetch([order])
    try:
        wait_until(lambda: not fetcher.well())
    finally:
        go_on.set()
        wait_until(fetcher.well)
        fetcher.stop()
    assert fetcher.well(), "ending is no illness"


def test_a_thread_that_has_died_is_told(aws, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(Fetcher, "_run", lambda _self, ears: ears.close())
    asking = Asking(aws.environment(tmp_path))
    homes.static_keys(tmp_path, "dev", homes.access_key())
    asking.begin(ecr("dev"))
    wait_until(lambda: not asking.fetcher.well())


def test_a_system_without_threads_to_spare_costs_these_orders_only(asking, tmp_path, monkeypatch) -> None:
    def refuse(_self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    homes.static_keys(tmp_path, "dev", homes.access_key())
    with monkeypatch.context() as broken:
        broken.setattr(threading.Thread, "start", refuse)
        failure = asking.failure(ecr("dev"))
    assert (failure.category, failure.code) == ("transient", "fetch.start")
    assert asking.fetcher.well()
    asking.token(ecr("dev"))
