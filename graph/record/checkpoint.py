"""Checkpoints of a run: in the file that also holds its ledger, or on a team's Postgres server."""

import os
import sqlite3
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, cast

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.sqlite import SqliteSaver

from llm_nas.errors import RequestError, RunStopped, StoreError

URL_VARIABLE = "LLM_NAS_POSTGRES_URL"
_PATIENCE: dict[str, int] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""A server that vanished without a word is noticed within half a minute."""


def open_checkpointer(path: Path) -> AbstractContextManager[BaseCheckpointSaver[Any]]:
    """A checkpointer on the server that the environment names, else on `path`.

    What was trained is in the ledger of the run's own folder in both cases.

    Raises:
        RequestError: The server's extra is not installed.
        StoreError: Nobody answers there.
        RunStopped: The server went away later; the run can be resumed.
    """
    url = os.environ.get(URL_VARIABLE, "")
    return _on_server(url) if url else _in_file(path)


@contextmanager
def _in_file(path: Path) -> Generator[SqliteSaver]:
    """SQLite, which does not wait for the disk.

    Should the machine lose power, the run goes on from an earlier checkpoint, and what was paid
    for is in the ledger, which does wait.
    """
    with closing(sqlite3.connect(path, check_same_thread=False, timeout=30.0)) as connection:
        connection.execute("PRAGMA synchronous=NORMAL")
        yield SqliteSaver(connection)


@contextmanager
def _on_server(url: str) -> Generator[BaseCheckpointSaver[Any]]:
    try:
        import psycopg
        from langgraph.checkpoint.postgres import PostgresSaver
        from psycopg.rows import DictRow, dict_row
    except ImportError:
        raise RequestError(f'{URL_VARIABLE}: run pip install "llm-nas[team]" first') from None
    connect = cast("Callable[..., psycopg.Connection[DictRow]]", psycopg.connect)
    try:
        connection = connect(
            url,
            autocommit=True,
            prepare_threshold=0,
            row_factory=dict_row,
            **_PATIENCE,
        )
    except psycopg.Error as error:
        raise StoreError(f"{URL_VARIABLE}: no answer: {_line(error)}") from error
    with closing(connection):
        try:
            saver = PostgresSaver(connection)
            saver.setup()
            yield saver
        except psycopg.Error as error:
            raise RunStopped(f"the checkpoint server went away ({_line(error)})") from error


def _line(error: Exception) -> str:
    """The first line of what the server or its driver says; addresses hold no password there."""
    return next(iter(str(error).splitlines()), type(error).__name__)[:120]
