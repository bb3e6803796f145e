"""A writer killed at any moment loses nothing it had acknowledged."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from llm_nas.knowledge.eventlog import EventLog

WRITER = """
import sys
from pathlib import Path
from llm_nas.knowledge.eventlog import EventLog
log = EventLog(Path(sys.argv[1]))
number = 0
while True:
    with log.writing():
        for part in range(3):
            log.append("test", "", "{}", uid=f"{sys.argv[2]}:{number}:{part}")
    print(number, flush=True)
    number += 1
"""


def test_killed_writers_lose_no_acknowledged_event(tmp_path: Path) -> None:
    rng = random.Random(0)
    EventLog(tmp_path).close()
    for attempt in range(3):
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", WRITER, str(tmp_path), f"{attempt}-{name}"],
                stdout=subprocess.PIPE,
                text=True,
            )
            for name in ("a", "b")
        ]
        for writer in writers:
            assert writer.stdout is not None
            writer.stdout.readline()
        time.sleep(rng.random() * 0.1)
        for writer in writers:
            os.kill(writer.pid, signal.SIGKILL)
        for name, writer in zip("ab", writers, strict=True):
            acknowledged = writer.communicate()[0].split()
            log = EventLog(tmp_path, readonly=True)
            uids = {event.uid for event in log.events(kinds=("test",))}
            log.close()
            mine = {uid for uid in uids if uid and uid.startswith(f"{attempt}-{name}:")}
            assert len(mine) % 3 == 0
            for number in acknowledged[:-1]:
                assert f"{attempt}-{name}:{number}:2" in mine
