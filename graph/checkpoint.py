"""SQLite checkpoints of a run, in the file that also holds its ledger."""

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from langgraph.checkpoint.sqlite import SqliteSaver


@contextmanager
def open_checkpointer(path: Path) -> Generator[SqliteSaver]:
    """A checkpointer on `path`, closed at the end.

    It does not wait for the disk: should the machine lose power, the run goes on from an earlier
    checkpoint, and what was paid for is in the ledger, which does wait.
    """
    with closing(sqlite3.connect(path, check_same_thread=False, timeout=30.0)) as connection:
        connection.execute("PRAGMA synchronous=NORMAL")
        yield SqliteSaver(connection)
