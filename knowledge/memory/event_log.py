"""The append-only event log that is the truth of a heuristic store (SQLite, WAL).

An event is durable once the transaction that holds it has returned: `synchronous=FULL` makes
SQLite wait for the disk. Two processes may append at once; the second waits for the first.
Tables derived from events live in the same file, change in the same transaction and can be
thrown away (`llm_nas.knowledge.memory.tables`).
"""

import sqlite3
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from llm_nas.errors import StoreError

FORMAT = 3
"""Version of the event format. 1 and 2 are llm-nas 0.1's, whose lessons name table rows."""
FILE = "events.sqlite"
BUSY_SECONDS = 60.0
"""How long a writer waits for others."""

_BUSY = "is in use by another process; try again when it has finished"
_TABLES = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    uid TEXT UNIQUE,
    ts TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS event_subject ON event (subject, seq) WHERE subject <> '';
CREATE INDEX IF NOT EXISTS event_kind ON event (kind, seq);
"""


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the log. `subject` is a claim id or empty; `body` is JSON."""

    seq: int
    ts: str
    kind: str
    subject: str
    body: str
    uid: str | None = None


def _reason(error: sqlite3.Error) -> str:
    text = str(error)
    if "locked" in text or "busy" in text:
        return _BUSY
    if "readonly" in text or "unable to open" in text:
        return "cannot be written: check that the folder exists and is not read-only"
    if "full" in text:
        return "cannot be written: the disk is full"
    if "not a database" in text or "malformed" in text:
        return "is damaged or no heuristic store; restore it from an export or a copy"
    return f"failed: {text}"


class EventLog:
    """An open log. Not thread-safe by itself: its owner serialises calls."""

    def __init__(self, folder: Path, *, readonly: bool = False) -> None:
        """Open or create the log in a folder; `StoreError` when that is impossible."""
        self.path = folder / FILE
        self.readonly = readonly
        self._turn = FileLock(folder / "events.lock", timeout=BUSY_SECONDS, poll_interval=0.002)
        if readonly and not self.path.is_file():
            raise StoreError(f"store {folder}: no heuristic store there")
        self.db = self._connect(folder)

    def _connect(self, folder: Path) -> sqlite3.Connection:
        try:
            if not self.readonly:
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"store {folder}: cannot be created ({error.strerror})") from error
        with self.guarded():
            if self.readonly:
                return self._open_readonly()
            db = self._open(str(self.path), uri=False)
            try:
                self._prepare(db)
            except BaseException:
                db.close()
                raise
            return db

    def _open(self, target: str, *, uri: bool) -> sqlite3.Connection:
        return sqlite3.connect(
            target, uri=uri, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )

    def _open_readonly(self) -> sqlite3.Connection:
        """Open without writing; a read-only file system needs `immutable` (no lock files)."""
        address = self.path.resolve().as_uri()
        for query in ("mode=ro", "mode=ro&immutable=1"):
            db = self._open(f"{address}?{query}", uri=True)
            try:
                self._check_format(self._format(db))
            except sqlite3.OperationalError:
                db.close()
                continue
            except BaseException:
                db.close()
                raise
            return db
        raise StoreError(f"store {self.path.parent}: cannot be read")

    def _prepare(self, db: sqlite3.Connection) -> None:
        """Make the tables of a new log; refuse other files."""
        self._check_format(self._format(db))
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        if self._format(db) == FORMAT:
            return
        db.execute("BEGIN IMMEDIATE")
        for statement in _TABLES.split(";"):
            db.execute(statement)
        db.execute("INSERT OR IGNORE INTO meta VALUES ('format', ?)", (str(FORMAT),))
        db.execute("COMMIT")

    def _check_format(self, version: int) -> None:
        """Refuse a log of another format; a new one (0) is none."""
        if version in (0, FORMAT):
            return
        where = f"store {self.path.parent}: format {version}, expected {FORMAT}"
        if version > FORMAT:
            raise StoreError(f"{where}; upgrade llm-nas")
        raise StoreError(
            f"{where}: llm-nas 0.1 wrote it and its lessons cannot be read any more; name another "
            "folder with --store, searches fill it anew"
        )

    def _format(self, db: sqlite3.Connection) -> int:
        """Version of the event format, 0 for an empty file; refuses other programs' files."""
        tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master")}
        if not tables:
            return 0
        row = None
        if {"meta", "event"} <= tables:
            row = db.execute("SELECT value FROM meta WHERE name = 'format'").fetchone()
        if row is None or not str(row[0]).isdecimal():
            raise StoreError(f"store {self.path.parent}: {FILE} is no heuristic store")
        return int(row[0])

    @contextmanager
    def guarded(self) -> Generator[None]:
        """Turn SQLite's errors into one-line `StoreError`s."""
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(f"store {self.path.parent}: {_reason(error)}") from error

    @contextmanager
    def writing(self) -> Generator[sqlite3.Connection]:
        """One transaction: all of it is on disk when the block ends, or none of it."""
        if self.readonly:
            raise StoreError(f"store {self.path.parent}: opened read-only")
        with self.guarded():
            self._begin()
            try:
                yield self.db
                self.db.execute("COMMIT")
            except BaseException:
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise

    def _begin(self) -> None:
        """Start a transaction when it is this writer's turn.

        SQLite has no queue: a process that writes without a break keeps others out. Whoever is
        next therefore holds a second lock while it waits, which the one that writes has to get
        before it writes again.
        """
        try:
            with self._turn:
                self.db.execute("BEGIN IMMEDIATE")
        except Timeout as error:
            raise StoreError(f"store {self.path.parent}: {_BUSY}") from error
        except OSError as error:
            raise StoreError(f"store {self.path.parent}: {error.strerror}") from error

    def append(self, kind: str, subject: str, body: str, *, uid: str | None = None) -> int | None:
        """Add an event inside a transaction; its number, or None when `uid` is already there."""
        ts = datetime.now(UTC).isoformat(timespec="milliseconds")
        cursor = self.db.execute(
            "INSERT OR IGNORE INTO event (uid, ts, kind, subject, body) VALUES (?, ?, ?, ?, ?)",
            (uid, ts, kind, subject, body),
        )
        return cursor.lastrowid if cursor.rowcount else None

    def events(self, *, after: int = 0, kinds: tuple[str, ...] = ()) -> Iterator[Event]:
        """Events in order, all kinds or some."""
        where = f" AND kind IN ({', '.join('?' * len(kinds))})" if kinds else ""
        query = f"SELECT seq, ts, kind, subject, body, uid FROM event WHERE seq > ?{where}"
        with self.guarded():
            for row in self.db.execute(query + " ORDER BY seq", (after, *kinds)):
                yield Event(*row)

    def about(self, subject: str) -> tuple[Event, ...]:
        """Events of one claim, in order."""
        query = (
            "SELECT seq, ts, kind, subject, body, uid FROM event WHERE subject = ? ORDER BY seq"
        )
        with self.guarded():
            return tuple(Event(*row) for row in self.db.execute(query, (subject,)))

    def last(self) -> int:
        """Number of the newest event, 0 for none."""
        with self.guarded():
            return int(self.db.execute("SELECT coalesce(max(seq), 0) FROM event").fetchone()[0])

    def close(self) -> None:
        """Close the file; closing twice is harmless."""
        self.db.close()
