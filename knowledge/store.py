"""The heuristic store: claims with evidence, and trainings, that outlive a run.

One folder holds the event log with its derived tables (SQLite) and the index of meanings
(Chroma), which is opened only when something is asked in words.
"""

import json
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from llm_nas.claims import Claim, Heuristic, Objective, Status
from llm_nas.domain import ContextName, Failure, Measurement
from llm_nas.errors import RequestError, StoreError
from llm_nas.knowledge.ask.answer import Answer, Asked, answer
from llm_nas.knowledge.ask.chroma import server_url
from llm_nas.knowledge.ask.explain import Explanation, explain
from llm_nas.knowledge.ask.index import Entry, Index, in_words_of
from llm_nas.knowledge.ask.query import Names, Query
from llm_nas.knowledge.claims.edits import unknown_in
from llm_nas.knowledge.claims.near import Twin, twins_of
from llm_nas.knowledge.claims.pairs import PairSource
from llm_nas.knowledge.memory import playbook, ranking, tables
from llm_nas.knowledge.memory.event_log import Event, EventLog
from llm_nas.knowledge.memory.learning import LESSON, Learner, replay
from llm_nas.ports import Device, Lesson, Partition, SearchSpace

GROWTH = 1.5
"""Trainings a store needs, relative to those assessed last, before a recall assesses again."""
MOST_LISTED = 1_000_000


def default_store_dir() -> Path:
    """Where heuristics are kept when nobody names a folder."""
    from platformdirs import user_data_path

    return user_data_path("llm-nas") / "heuristics"


class HeuristicStore:
    """Heuristics and trainings that outlive a run; implements `llm_nas.ports.KnowledgeBase`.

    Safe to call from several threads and to open from several processes at once.
    """

    def __init__(
        self,
        folder: Path,
        log: EventLog,
        pairs: PairSource | None,
        device: Device | None,
        chroma_url: str | None,
    ) -> None:
        """Use `HeuristicStore.open`."""
        self.folder = folder
        self._log = log
        self._pairs = pairs
        self._learner = Learner(log, pairs, device)
        self._index = Index(folder, chroma_url)
        self._lock = threading.RLock()
        self._closed = False

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        space: SearchSpace | None = None,
        partition: Partition | None = None,
        device: Device | None = None,
        readonly: bool = False,
        chroma_url: str | None = None,
    ) -> Self:
        """Open a store, creating it unless `readonly`.

        Without a `space` nothing is tested, only read and kept. With an exact `device` latency
        claims about it are worked out from its own table. `chroma_url` (else the environment's
        LLM_NAS_CHROMA_URL) names a Chroma server for the index of meanings.

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
        pairs = PairSource(space, partition) if space is not None else None
        store = cls(folder, log, pairs, device, url)
        try:
            store._check_tables()
        except BaseException:
            log.close()
            raise
        return store

    def _check_tables(self) -> None:
        """Make the derived tables again when their layout is not this program's."""
        with self._log.guarded():
            found = tables.version(self._log.db)
        if found == tables.VERSION:
            return
        if self._log.readonly:
            raise StoreError(
                f"store {self.folder}: tables of version {found}, expected {tables.VERSION}; "
                f"run: llm-nas heuristics rebuild --store {self.folder}"
            )
        with self._log.writing() as db:
            if tables.version(db) != tables.VERSION:
                tables.reset(db)
                replay(self._log, self._learner)

    @property
    def space(self) -> SearchSpace | None:
        """The space that claims are tested in."""
        return self._pairs.space if self._pairs else None

    def close(self, *, assess: bool = True) -> None:
        """Assess what is new, unless nobody will ask; release every file. Twice is harmless."""
        with self._lock:
            if self._closed:
                return
            try:
                if assess:
                    self.assess()
            finally:
                self._closed = True
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

    # Learning

    def learn(self, lesson: Lesson) -> tuple[Heuristic, ...]:
        """Add trainings, claims, calls and votes in one durable write; the claims that came.

        A lesson of the same run and generation is taken in once; later copies change nothing.
        Evidence is computed when somebody asks, and at the end (`assess`).
        """
        uid = f"lesson:{lesson.run}:{lesson.generation}"
        with self._lock, self._log.writing() as db:
            seq = self._log.append("lesson", "", LESSON.dump_json(lesson).decode(), uid=uid)
            if seq is None:
                return ()
            return tables.heuristics(db, self._learner.lesson(lesson, seq))

    def assess(self) -> tuple[Heuristic, ...]:
        """Recompute evidence and status where something is new; the claims that changed.

        Does nothing in a store that is read-only, or opened without a space.
        """
        with self._lock:
            if self._log.readonly or self._pairs is None or not self._stale():
                return ()
            with self._log.writing() as db:
                changed = self._learner.assess()
                tables.mark_assessed(db, self._pairs.space.name)
            return tables.heuristics(self._log.db, changed)

    def _stale(self, growth: float = 1.0) -> bool:
        """Whether there is something new, and `growth` times the trainings of last time."""
        assert self._pairs is not None
        space, db = self._pairs.space.name, self._log.db
        with self._log.guarded():
            seq, trainings = tables.assessed(db, space)
            return tables.newest(db) != seq and tables.count(db, space) >= growth * trainings

    def merge(self, other: "HeuristicStore | Path | str") -> int:
        """Take in another store's lessons; how many were new. Its trainings count once.

        Statuses are decided here, on the evidence of both stores together.
        """
        if not isinstance(other, HeuristicStore):
            with HeuristicStore.open(other, readonly=True) as opened:
                return self.merge(opened)
        other.assess()
        return self._take(list(other._log.events(kinds=("lesson", "claim"))), other._learner)

    def _take(self, events: Iterable[Event], learner: Learner) -> int:
        lessons = 0
        with self._lock, self._log.writing():
            self._learner.adopt(learner)
            for event in events:
                if event.kind == "claim":
                    body = json.loads(event.body)
                    self._learner.write(Claim.model_validate(body["claim"]), body["reason"])
                    continue
                seq = self._log.append(event.kind, event.subject, event.body, uid=event.uid)
                if seq is not None:
                    lessons += 1
                    self._learner.lesson(LESSON.validate_json(event.body), seq)
        self.assess()
        return lessons

    def import_(self, path: Path | str) -> playbook.ImportReport:
        """Take in the claims of a playbook as proposals, to be tested on this store's trainings.

        What its file says of their evidence is ignored. Claims that do not fit are refused one
        by one, the others are taken in together.
        """
        claims, refused = playbook.checked_all(Path(path), self.space)
        added: list[str] = []
        known: list[str] = []
        with self._lock, self._log.writing() as db:
            for claim in claims:
                reason = f"imported from {playbook.plain(Path(path).name)}"
                key, fresh = self._learner.write(claim, reason)
                (added if fresh else known).append(key)
            against = tables.opposed(db, added)
        self.assess()
        pairs = ((key, other) for key in added for other in against.get(key, ()))
        return playbook.ImportReport(
            added=tuple(added),
            known=tuple(known),
            refused=refused,
            conflicts=tuple((a, b) for a, b in pairs if a < b or b not in added),
        )

    def export(self, path: Path | str, *, status: Status | None = None) -> int:
        """Write claims as a playbook; how many."""
        found = self.list(status=status, limit=MOST_LISTED)
        playbook.write(Path(path), found)
        return len(found)

    def rebuild(self) -> int:
        """Make tables and index again from the log; the number of claims."""
        with self._lock:
            with self._log.writing() as db:
                tables.reset(db)
                db.execute("DELETE FROM meta WHERE name LIKE 'assessed:%'")
                replay(self._log, self._learner)
            return self._index.rebuild(self)

    # Reading

    def recall(
        self,
        context: ContextName,
        niche: str,
        *,
        text: str = "",
        k: int = 8,
        token_budget: int | None = None,
    ) -> tuple[Heuristic, ...]:
        """The heuristics most worth showing, best first, each with its reason in `why`.

        Claims of another space are taken where this one has all they speak of.
        """
        with self._lock:
            if self._pairs is not None and not self._log.readonly and self._stale(GROWTH):
                self.assess()
            asker = ranking.Asker.of(context, niche)
            with self._log.guarded():
                ranked = ranking.candidates(self._log.db, asker)
                if text:
                    ranked = self._index.blend(text, ranked, self)
                told = self._told(ranked)
        usable = [(c, h) for c, h in told if self._speaks_here(h.claim)]
        return ranking.choose(usable, k, token_budget)

    def _told(
        self, ranked: Sequence[ranking.Candidate]
    ) -> Sequence[tuple[ranking.Candidate, Heuristic]]:
        found = {h.id: h for h in tables.heuristics(self._log.db, [c.id for c in ranked])}
        return [(c, found[c.id]) for c in ranked if c.id in found]

    def _speaks_here(self, claim: Claim) -> bool:
        return self._pairs is None or unknown_in(self._pairs.space, claim.condition) is None

    def trainings(self, space: str, task: str, recipe: str) -> tuple[Measurement, ...]:
        """Earlier trainings of the same space, task and recipe, one per architecture."""
        held = self.trainings_by_device(space, task, recipe).values()
        return tuple(m for trainings in held for m in trainings)

    def trainings_by_device(
        self, space: str, task: str, recipe: str
    ) -> dict[str, tuple[Measurement, ...]]:
        """The same by the device they were made for, in the order in which runs came."""
        with self._lock, self._log.guarded():
            return tables.trainings_by_device(self._log.db, space, task, recipe)

    def failures(self, space: str, task: str, recipe: str) -> tuple[Failure, ...]:
        """Networks that could not be built or trained for the task, whatever the device."""
        with self._lock, self._log.guarded():
            return tables.failures(self._log.db, space, task, recipe)

    def runs(self, space: str | None = None) -> tuple[tables.Run, ...]:
        """Runs whose lessons are here, oldest first."""
        with self._lock, self._log.guarded():
            names = [space] if space is not None else tables.spaces(self._log.db)
            return tuple(run for name in names for run in tables.runs(self._log.db, name))

    def list(
        self,
        *,
        status: Status | None = None,
        objective: Objective | None = None,
        space: str = "",
        task: str = "",
        device: str = "",
        niche: str = "",
        limit: int = 50,
    ) -> tuple[Heuristic, ...]:
        """Claims, strongest first; those of a place include claims about everywhere."""
        with self._lock:
            self.assess()
            with self._log.guarded():
                keys = tables.listed(
                    self._log.db, status, objective, (space, task, device, niche), limit
                )
                return tables.heuristics(self._log.db, keys)

    def show(self, key: str) -> Heuristic:
        """A claim by id or its first digits; `RequestError` for none or several."""
        with self._lock, self._log.guarded():
            return tables.heuristics(self._log.db, [self._full(key)])[0]

    def _full(self, key: str) -> str:
        found = tables.starting_with(self._log.db, key)
        if len(found) != 1:
            what = "no claim has" if not found else f"{len(found)} claims have"
            raise RequestError(f"{what} an id that starts with {key!r}; see: heuristics list")
        return found[0]

    def history(self, key: str) -> tuple[Event, ...]:
        """Every event about a claim, oldest first."""
        with self._lock, self._log.guarded():
            return self._log.about(self._full(key))

    def twins(self, key: str) -> tuple[Twin, ...]:
        """Other claims that say nearly the same: near in words, then compared on networks."""
        if self._pairs is None:
            return ()
        with self._lock:
            claim = self.show(key).claim
            near = [other for other, _ in self._index.search(claim.statement, 20, self)]
            rows = tables.rows_of(self._log.db, near)
            others = {r.id: r.claim for r in rows if r.id != claim.key}
            return twins_of(self._pairs, claim, others)

    def explain(self, arch: str) -> Explanation:
        """Why a network is as it is: trainings, claims it meets, measured neighbours.

        Raises:
            RequestError: No such network in the space, or the store was opened without one.
        """
        if self._pairs is None:
            raise RequestError("explain needs a space: name it with --space")
        with self._lock, self._log.guarded():
            return explain(self._log.db, self._pairs.space, arch)

    def ask(
        self,
        text: str,
        *,
        query: Query | None = None,
        device: Device | None = None,
        names: Names | None = None,
        k: int = 5,
    ) -> Answer:
        """Answer a question from trainings and claims, with no model.

        Args:
            text: the question.
            query: what is known of it from elsewhere (flags, a model); it comes first.
            device: the one asked about, when its latencies are known without the store.
            names: places the question may mention beside those of the store.
            k: most architectures, and most claims.
        """
        asked = Asked(text, query or Query(), device, k, names or Names())
        with self._lock:
            self.assess()
            with self._log.guarded():
                return answer(asked, self._log.db, self._pairs, self._index, self)

    # What the index catches up from

    def newest(self) -> int:
        """Number of the newest event."""
        return self._log.last()

    def entries(self, after: tuple[int, str]) -> Iterator[Entry]:
        """Claims whose `(seq, id)` is greater, in that order, in the words of the field."""
        return in_words_of(self.space, tables.entries(self._log.db, after))
