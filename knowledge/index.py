"""The semantic index: Chroma over the current statements, with scope and status as metadata.

Nothing here is the truth. The index remembers the last event it has seen, catches up from the
tables when it is asked, and is built again in a fresh folder when it is damaged, was made by
another embedding or is ahead of the log. A file lock keeps two processes from changing it at
once; a process whose collection was changed by another one opens it anew.
"""

import json
import shutil
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from filelock import FileLock, Timeout

from llm_nas.errors import StoreError
from llm_nas.knowledge import embedding

if TYPE_CHECKING:
    from chromadb import Collection
    from chromadb.api.client import Client

COLLECTION = "heuristics"
LOCK_SECONDS = 60.0
_BATCH = 2000
_LAYOUT = 1
_SYNC_EVERY = 10_000
"""Entries between two writes of the vector file; Chroma's own log covers the time between."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One claim as the index holds it; `places` are `(dataset, device, niche)`, '' everywhere."""

    id: str
    statement: str
    status: str
    places: tuple[tuple[str, str, str], ...]


class Changes(Protocol):
    """Where the index catches up from."""

    def newest(self) -> int:
        """Number of the newest event."""
        ...

    def entries(self, after: int) -> Iterable[Entry]:
        """Claims that changed after an event."""
        ...


@dataclass(frozen=True, slots=True)
class _State:
    """What the index was made with, where it lies and how far it is."""

    folder: str
    seen: int
    layout: int = _LAYOUT
    model: str = embedding.NAME
    dimension: int = embedding.DIMENSION


class Index:
    """A Chroma collection under a store's folder, opened when first used."""

    def __init__(self, folder: Path) -> None:
        """Remember where; nothing is opened or imported yet."""
        self._home = folder
        self._file = folder / "index.json"
        self._lock = FileLock(str(folder / "index.lock"), timeout=LOCK_SECONDS)
        self._client: Client | None = None
        self._collection: Collection | None = None
        self._opened: _State | None = None

    def search(self, text: str, limit: int, changes: Changes) -> list[tuple[str, float]]:
        """Claims nearest in meaning, `(id, cosine similarity)`, best first.

        Catches up with `changes` first. A damaged index is rebuilt once.
        """
        from chromadb.errors import ChromaError

        try:
            return self._search(text, limit, changes)
        except (ChromaError, OSError):
            self.discard()
        try:
            return self._search(text, limit, changes)
        except (ChromaError, OSError) as error:
            why = str(error).splitlines()[0]
            raise StoreError(f"store index {self._home}: {why}") from error

    def rebuild(self, changes: Changes) -> int:
        """Build the index again from nothing; the number of entries."""
        self.discard()
        return self._current(changes).count()

    def discard(self) -> None:
        """Forget the index; the next search builds a new one."""
        self.close()
        with self._locked():
            self._file.unlink(missing_ok=True)

    def close(self) -> None:
        """Release Chroma's files."""
        if self._client is not None:
            self._client.close()
        self._client = self._collection = self._opened = None

    def _search(self, text: str, limit: int, changes: Changes) -> list[tuple[str, float]]:
        collection = self._current(changes)
        count = collection.count()
        if count == 0:
            return []
        answer = collection.query(
            query_embeddings=embedding.embed([text]),
            n_results=min(limit, count),
            include=["distances"],
        )
        distances = answer["distances"] or [[]]
        return [(key, 1.0 - d) for key, d in zip(answer["ids"][0], distances[0], strict=True)]

    def _current(self, changes: Changes) -> "Collection":
        """The collection, as new as the log."""
        newest = changes.newest()
        state = self._read()
        if state is not None and state.seen == newest:
            return self._open(state)
        with self._locked():
            state = self._read()
            if state is None or state.seen > newest:
                state = self._fresh()
            if state.seen < newest:
                collection = self._open(state)
                for batch in _batches(changes.entries(after=state.seen)):
                    _put(collection, batch)
                state = _State(state.folder, newest)
                self._write(state)
                self._opened = state
            return self._open(state)

    def _fresh(self) -> _State:
        """An empty index in a folder of its own; folders of earlier ones are removed."""
        self.close()
        old = sorted(self._home.glob("chroma-*"))
        number = max((int(p.name.removeprefix("chroma-")) for p in old), default=0) + 1
        for path in old:
            shutil.rmtree(path, ignore_errors=True)
        return _State(f"chroma-{number:04d}", 0)

    def _read(self) -> _State | None:
        """State of the index; None when it is absent, damaged or made differently."""
        try:
            fields: dict[str, Any] = json.loads(self._file.read_text(encoding="utf-8"))
            state = _State(**fields)
        except (OSError, ValueError, TypeError):
            return None
        usable = state == _State(state.folder, state.seen) and state.folder.startswith("chroma-")
        return state if usable and (self._home / state.folder).is_dir() else None

    def _write(self, state: _State) -> None:
        partial = self._file.with_suffix(".part")
        partial.write_text(json.dumps(asdict(state)), encoding="utf-8")
        partial.replace(self._file)

    def _open(self, state: _State) -> "Collection":
        if self._collection is not None and self._opened == state:
            return self._collection
        self.close()
        from chromadb.api.client import Client
        from chromadb.config import Settings

        # What PersistentClient makes, but by the class that can be closed.
        settings = Settings(
            anonymized_telemetry=False,
            is_persistent=True,
            persist_directory=str(self._home / state.folder),
        )
        self._client = Client(settings=settings)
        self._collection = self._client.get_or_create_collection(
            COLLECTION,
            embedding_function=None,
            configuration={
                "hnsw": {"space": "cosine", "ef_search": 200, "sync_threshold": _SYNC_EVERY}
            },
            metadata={"embedding": state.model, "dimension": state.dimension},
        )
        self._opened = state
        return self._collection

    @contextmanager
    def _locked(self) -> Generator[None]:
        try:
            self._lock.acquire()
        except Timeout as error:
            raise StoreError(f"store index {self._home}: in use by another process") from error
        except OSError as error:
            raise StoreError(f"store index {self._home}: {error.strerror}") from error
        try:
            yield
        finally:
            self._lock.release()


def _batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    batch: list[Entry] = []
    for entry in entries:
        batch.append(entry)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _put(collection: "Collection", batch: Sequence[Entry]) -> None:
    statements = [entry.statement for entry in batch]
    collection.upsert(
        ids=[entry.id for entry in batch],
        embeddings=embedding.embed(statements),
        documents=statements,
        metadatas=[
            {"status": entry.status, "places": json.dumps(entry.places)} for entry in batch
        ],
    )
