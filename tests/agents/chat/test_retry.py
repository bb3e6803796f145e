"""The gate: how many calls at once, and when."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from llm_nas.agents.chat.retry import Gate


def test_no_more_calls_at_once_than_the_limit() -> None:
    gate = Gate(3)
    lock = threading.Lock()
    inside = most = 0

    def call(_: int) -> None:
        nonlocal inside, most
        with gate.passage():
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.01)
            with lock:
                inside -= 1

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(call, range(24)))
    assert most == 3


def test_one_rate_limit_holds_back_every_call() -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    gate = Gate(2, clock=lambda: now[0], sleep=sleep)
    gate.close_for(3.0)
    gate.close_for(1.0)
    with gate.passage():
        assert now[0] == 3.0
    with gate.passage():
        assert now[0] == 3.0
