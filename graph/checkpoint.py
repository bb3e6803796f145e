"""SQLite checkpoints of a run, in the file that also holds its ledger."""

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from langgraph.checkpoint.sqlite import SqliteSaver


@contextmanager
def open_checkpointer(path: Path) -> Generator[SqliteSaver]:
    """A checkpointer on `path`, closed at the end."""
    with closing(sqlite3.connect(path, check_same_thread=False, timeout=30.0)) as connection:
        yield SqliteSaver(connection)
