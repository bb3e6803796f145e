"""The heuristic store: claims with evidence that outlive a run.

One folder holds the event log with its derived tables (SQLite) and the semantic index (Chroma).
`learn` never touches Chroma. What can be asked of a store is in `llm_nas.knowledge.reading`.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from llm_nas.claims import Claim, Heuristic
from llm_nas.errors import RequestError, StoreError
from llm_nas.knowledge import playbook, projection
from llm_nas.knowledge.chroma import server_url
from llm_nas.knowledge.eventlog import Event, EventLog
from llm_nas.knowledge.learning import LESSON, Learner, Taken, replay
from llm_nas.knowledge.playbook import ImportReport, Refusal
from llm_nas.knowledge.reading import StoreReader
from llm_nas.knowledge.world import World
from llm_nas.ports import Lesson, Partition, SearchSpace


def default_store_dir() -> Path:
    """Where heuristics are kept when nobody names a folder."""
    from platformdirs import user_data_path

    return user_data_path("llm-nas") / "heuristics"


def default_world(space: SearchSpace | None = None, partition: Partition | None = None) -> World:
    """The space claims are tested on: NAS-Bench-201 in its six niches unless given."""
    from llm_nas.tools.partition import make_partition
    from llm_nas.tools.space import nas_bench_201

    space = space or nas_bench_201()
    return World(space, partition or make_partition(space, "conv3x3"))


class HeuristicStore(StoreReader):
    """Heuristics that outlive a run; implements `llm_nas.ports.KnowledgeBase`.

    Safe to call from several threads and to open from several processes at once.
    """

    def __init__(
        self, folder: Path, log: EventLog, world: World, chroma_url: str | None = None
    ) -> None:
        """Use `HeuristicStore.open`."""
        super().__init__(folder, log, world, chroma_url)
        self._learner = Learner(log, world)

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        space: SearchSpace | None = None,
        partition: Partition | None = None,
        readonly: bool = False,
        chroma_url: str | None = None,
    ) -> Self:
        """Open a store, creating it unless `readonly`.

        `chroma_url` (else the environment's LLM_NAS_CHROMA_URL) names a Chroma server that holds
        the index of meanings; without one it lies in the folder.

        Raises:
            RequestError: `chroma_url` is no address.
            StoreError: the folder cannot be used; nothing has been written then.
        """
        folder = Path(path).expanduser()
        url = server_url(chroma_url)
        if folder.exists() and not folder.is_dir():
            raise StoreError(f"store {folder}: is a file, expected a folder")
        if not readonly and folder.is_dir() and not os.access(folder, os.W_OK):
            raise StoreError(f"store {folder}: cannot be written: the folder is read-only")
        log = EventLog(folder, readonly=readonly)
        store = cls(folder, log, default_world(space, partition), url)
        try:
            store._check_tables()
        except BaseException:
            log.close()
            raise
        return store

    def _check_tables(self) -> None:
        """Make the derived tables again when their layout is not this program's."""
        with self._log.guarded():
            found = projection.version(self._log.db)
        if found == projection.VERSION:
            return
        if self._log.readonly:
            raise StoreError(
                f"store {self.folder}: tables of version {found}, expected {projection.VERSION}; "
                f"run: llm-nas heuristics rebuild --store {self.folder}"
            )
        with self._log.writing() as db:
            if projection.version(db) != projection.VERSION:
                projection.reset(db)
                replay(self._log, self._learner)

    def close(self) -> None:
        """Release every file; closing twice is harmless."""
        with self._lock:
            self._index.close()
            self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def learn(self, lesson: Lesson) -> tuple[Heuristic, ...]:
        """Add cells, claims, trials and votes in one durable write; what is new or changed.

        A lesson of the same run and generation is taken in once; later copies change nothing.
        """
        uid = f"lesson:{lesson.run}:{lesson.generation}"
        with self._lock, self._log.writing() as db:
            seq = self._log.append("lesson", "", LESSON.dump_json(lesson).decode(), uid=uid)
            if seq is None:
                return ()
            taken = self._learner.lesson(lesson, seq)
            changed = self._learner.reassess([taken])
            return projection.heuristics(db, list(dict.fromkeys([*taken.new, *changed])))

    def merge(self, other: "HeuristicStore | Path | str") -> int:
        """Take in another store's lessons; how many were new. Its cells count once.

        Statuses are decided here, on the evidence of both stores together.
        """
        if not isinstance(other, HeuristicStore):
            with HeuristicStore.open(other, readonly=True) as opened:
                return self.merge(opened)
        return self._take(list(other._log.events(kinds=("lesson", "claim"))))

    def _take(self, events: Iterable[Event]) -> int:
        taken: list[Taken] = []
        claims: list[Taken] = []
        with self._lock, self._log.writing():
            for event in events:
                if event.kind == "claim":
                    body = json.loads(event.body)
                    key, fresh = self._add(Claim.model_validate(body["claim"]), body["reason"])
                    claims.append(Taken(new=(key,) if fresh else ()))
                    continue
                seq = self._log.append(event.kind, event.subject, event.body, uid=event.uid)
                if seq is not None:
                    taken.append(self._learner.lesson(LESSON.validate_json(event.body), seq))
            if taken or claims:
                self._learner.reassess([*taken, *claims])
        return len(taken)

    def import_(self, path: Path | str) -> ImportReport:
        """Take in the claims of a playbook as proposals, to be tested on this store's cells.

        What its file says of their evidence is ignored. Claims that do not fit are refused one
        by one, the others are taken in together.
        """
        source = Path(path)
        claims: list[Claim] = []
        refused: list[Refusal] = []
        for position, raw in enumerate(playbook.read(source)):
            try:
                claims.append(playbook.checked(raw, self._world))
            except RequestError as error:
                refused.append(Refusal(position=position, reason=str(error)))
        added: list[str] = []
        known: list[str] = []
        with self._lock, self._log.writing() as db:
            for claim in claims:
                key, fresh = self._add(claim, f"imported from {playbook.plain(source.name)}")
                (added if fresh else known).append(key)
            self._learner.reassess([Taken(new=tuple(added))])
            against = projection.opposed(db, added)
        return ImportReport(
            added=tuple(added),
            known=tuple(known),
            refused=tuple(refused),
            conflicts=tuple(
                (key, other)
                for key in added
                for other in against.get(key, ())
                if key < other or other not in added
            ),
        )

    def _add(self, claim: Claim, reason: str) -> tuple[str, bool]:
        """Log a claim from outside any lesson, unless it is known; inside a transaction."""
        known = projection.resolve_alias(self._log.db, claim.key)
        if known is not None:
            return known, False
        body = json.dumps({"claim": claim.model_dump(mode="json"), "reason": reason})
        seq = self._log.append("claim", claim.key, body, uid=f"claim:{claim.key}")
        return self._learner.claim(claim, reason, seq or 0)

    def rebuild(self) -> int:
        """Make tables and index again from the log; the number of claims."""
        with self._lock:
            with self._log.writing() as db:
                projection.reset(db)
                replay(self._log, self._learner)
            return self._index.rebuild(self)

    def rebuild_index(self) -> int:
        """Make the index of meanings again from the tables, to the end; the number of claims."""
        with self._lock:
            return self._index.rebuild(self)
