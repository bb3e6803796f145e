"""From events to tables, and from trainings to evidence and status.

Taking a lesson in is cheap and does not grow with a run; claims are assessed when somebody wants
to know, and when the store is closed.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from pydantic import TypeAdapter

from llm_nas.claims import Claim, Objective, Scope
from llm_nas.domain import Arch, Metric
from llm_nas.knowledge.claims.evidence import (
    LEAST_ARCHS,
    OBJECTIVES,
    Part,
    Sample,
    SourceEvidence,
    exact_parts,
)
from llm_nas.knowledge.claims.lifecycle import (
    SourcePart,
    Standing,
    decide,
    disagreement,
    pool,
)
from llm_nas.knowledge.claims.pairs import PairSource
from llm_nas.knowledge.claims.proposals import grid, scoped, turned
from llm_nas.knowledge.memory import lift, tables
from llm_nas.knowledge.memory.event_log import EventLog
from llm_nas.ports import Device, Lesson

LESSON = TypeAdapter(Lesson)
EXACT = "exact"
"""Digest of evidence worked out from a device's own table: no training changes it."""
ROUNDS = 3
"""Claims may make claims (a half, an opposite): how often that is followed up."""


@dataclass(frozen=True, eq=False)
class Source:
    """Trainings that share neither seed nor trainings with any other source of their place."""

    objective: Objective
    space: str
    task: str
    device: str
    """Empty for accuracies: they do not depend on it."""
    label: str
    number: int
    """Seed of its first run."""
    contexts: tuple[str, ...]
    archs: tuple[Arch, ...]
    values: tuple[float, ...]
    metric: Metric

    @property
    def place(self) -> str:
        """`SPACE/TASK` of accuracies, `SPACE/TASK/DEVICE` of latencies."""
        return "/".join(part for part in (self.space, self.task, self.device) if part)

    @property
    def name(self) -> str:
        """Tells it from all others in a store."""
        return f"{self.objective}|{self.place}|{self.label}|{self.number}"

    @property
    def digest(self) -> str:
        """Changes when a training is added."""
        body = json.dumps([self.archs, self.values])
        return hashlib.sha256(body.encode()).hexdigest()[:16]

    @property
    def scope(self) -> Scope:
        """The scope of claims about its place."""
        if self.objective == "latency":
            return Scope(space=self.space, devices=(self.device,))
        return Scope(space=self.space, tasks=(self.task,))

    def tests(self, claim: Claim) -> bool:
        """Whether its trainings lie in a claim's scope."""
        scope = claim.scope
        return (
            claim.effect.objective == self.objective
            and scope.space in ("", self.space)
            and (not scope.tasks or self.task in scope.tasks)
            and (not self.device or not scope.devices or self.device in scope.devices)
        )

    def sample(self) -> Sample:
        """Its trainings as evidence wants them."""
        metric = self.metric if self.objective == "accuracy" else None
        return Sample(self.archs, np.array(self.values, dtype=np.float64), metric)


class Learner:
    """Applies events to the derived tables, inside the caller's transaction."""

    def __init__(
        self, log: EventLog, pairs: PairSource | None, device: Device | None = None
    ) -> None:
        """`pairs` draws in the space that claims are tested in; None: none is."""
        self._log = log
        self._pairs = pairs
        self._device = device
        self._asked: dict[str, SourceEvidence] = {}
        self.replaying = False
        """While the log is read back, what follows from it is not written to it again."""

    def lesson(self, lesson: Lesson, seq: int) -> tuple[str, ...]:
        """Take in trainings, claims, calls and votes; ids of claims that are new."""
        db = self._log.db
        tables.add_trainings(db, lesson, seq)
        new: list[str] = []
        for claim in lesson.claims:
            reason = f"by {claim.origin.source}, run {lesson.run}, generation {lesson.generation}"
            new += [self.claim(claim, reason, seq)[0]]
        touched = lift.add_calls(db, lesson)
        if not self.replaying:
            self._bench(touched)
        tables.vote(db, lesson.retire, unwanted=True)
        tables.vote(db, lesson.keep, unwanted=False)
        return tuple(dict.fromkeys(new))

    def adopt(self, other: "Learner") -> None:
        """Take over what another store of the same space has worked out already."""
        if self._pairs is None or other._pairs is None or self._space != other._space:
            return
        self._pairs.borrow(other._pairs)
        rows = other._log.db.execute("SELECT * FROM part").fetchall()
        self._log.db.executemany("INSERT OR IGNORE INTO part VALUES (?,?,?,?)", rows)

    def claim(self, claim: Claim, reason: str, seq: int) -> tuple[str, bool]:
        """Take in one claim: its id here, and whether it is new. Duplicates meet by key."""
        bare = plain_claim(claim)
        key = bare.key
        if tables.knows(self._log.db, key):
            return key, False
        number = self.note("proposed", key, {"reason": reason})
        tables.add_claim(self._log.db, bare, number or seq)
        return key, True

    def write(self, claim: Claim, reason: str) -> tuple[str, bool]:
        """Take in a claim from outside any lesson, with an event of its own."""
        bare = plain_claim(claim)
        if tables.knows(self._log.db, bare.key):
            return bare.key, False
        body = json.dumps({"claim": bare.model_dump(mode="json"), "reason": reason})
        seq = self._log.append("claim", bare.key, body, uid=f"claim:{bare.key}")
        return self.claim(bare, reason, seq or 0)

    def assess(self) -> list[str]:
        """Recompute evidence and status of every claim of the space; ids that changed.

        Every change is an event with its reason.
        """
        if self._pairs is None:
            return []
        sources = self._sources()
        self._add_grid(sources)
        changed: list[str] = []
        for _ in range(ROUNDS):
            changed += self._judge(sources)
            if not self._follow_up(sources):
                break
        return list(dict.fromkeys(changed))

    def weigh(self) -> None:
        """Compute evidence and leave every status as it is."""
        if self._pairs is not None:
            self._judge(self._sources(), keep=True)

    def _judge(self, sources: Sequence[Source], *, keep: bool = False) -> list[str]:
        rows = tables.claims_in(self._log.db, self._space)
        parts = self._parts(rows, sources)
        standings = [self._standing(row, parts[row.id], sources) for row in rows]
        changed: list[str] = []
        for row, standing, step in zip(rows, standings, decide(standings), strict=True):
            status = row.status if keep else step.status
            if (status, standing.evidence) == (row.status, row.evidence):
                continue
            seq = None
            if status != row.status:
                changed.append(row.id)
                body = {"from": row.status, "to": status, "reason": step.reason}
                seq = self.note("status", row.id, body)
            tables.set_state(self._log.db, row, status, standing.evidence, seq)
        return changed

    def _standing(
        self, row: tables.Row, parts: Sequence[SourcePart], sources: Sequence[Source]
    ) -> Standing:
        claim = row.claim
        families = tuple(sorted({f"{s.objective}:{s.place}" for s in sources if s.tests(claim)}))
        split = disagreement(parts, claim.effect.sign)
        return Standing(row.status, pool(claim, parts), families, row.unwanted, split)

    def _parts(
        self, rows: Sequence[tables.Row], sources: Sequence[Source]
    ) -> dict[str, list[SourcePart]]:
        found: dict[str, list[SourcePart]] = {row.id: [] for row in rows}
        claims = {row.id: row.claim for row in rows}
        for source in sources:
            wanted = {key: claim for key, claim in claims.items() if source.tests(claim)}
            for key, part in self._cached(source, wanted).items():
                label = source.label if source.objective == "accuracy" else ""
                found[key].append(SourcePart(source.place, source.contexts, label, part))
        return found

    def _cached(self, source: Source, claims: Mapping[str, Claim]) -> dict[str, Part]:
        """Parts of evidence from the tables, those that are missing or stale made anew."""
        rows = self._log.db.execute(
            "SELECT claim, digest, body FROM part WHERE source = ?", (source.name,)
        )
        held = {key: (digest, body) for key, digest, body in rows}
        fresh = {EXACT, source.digest}
        stale = {k: c for k, c in claims.items() if held.get(k, ("", None))[0] not in fresh}
        made = self._made(source, stale) if stale else {}
        digest = EXACT if self._is_exact(source) else source.digest
        self._log.db.executemany(
            "INSERT OR REPLACE INTO part VALUES (?,?,?,?)",
            [(k, source.name, digest, _packed(made.get(k))) for k in stale],
        )
        kept = {k: _unpacked(held[k][1]) for k in claims if k not in stale}
        return made | {k: part for k, part in kept.items() if part is not None}

    def _made(self, source: Source, claims: Mapping[str, Claim]) -> dict[str, Part]:
        assert self._pairs is not None
        device = self._device
        if device is not None and self._is_exact(source):
            return exact_parts(device, self._pairs, claims)
        # The same trainings are asked more than once: their process is fitted once.
        name = f"{source.name}|{source.digest}"
        if name not in self._asked:
            self._asked = {k: e for k, e in self._asked.items() if not k.startswith(source.name)}
            self._asked[name] = SourceEvidence(source.sample(), self._pairs)
        return self._asked[name].parts(claims)

    def _is_exact(self, source: Source) -> bool:
        device = self._device
        if device is None or not device.exact or getattr(device, "archs", None) is not None:
            return False  # a table of rows knows nothing of a row's edited twin
        return source.device == device.name

    def _sources(self) -> list[Source]:
        """Independent sources of trainings, oldest first.

        A training counts once, for the run that had it first; runs of one seed are one source,
        and a run with too few trainings of its own joins the source before it.
        """
        runs = tables.runs(self._log.db, self._space)
        assert self._pairs is not None
        rows = {r.run: self._pairs.known(tables.values_of(self._log.db, r.run)) for r in runs}
        return [source for o in OBJECTIVES for source in sources_of(o, runs, rows)]

    def _add_grid(self, sources: Sequence[Source]) -> None:
        """Claim every step of every choice about places with enough trainings."""
        assert self._pairs is not None
        for place in {s.place: s for s in sources if len(s.archs) >= LEAST_ARCHS}.values():
            missing = [
                claim
                for claim in grid(self._pairs.space, place.objective, place.scope)
                if not tables.has_topic(self._log.db, claim)
            ]
            if not missing:
                continue
            parts = self._made(place, {claim.key: claim for claim in missing})
            for claim in missing:
                part = parts.get(claim.key)
                if part is not None:
                    self.write(claim if part.mean > 0 else turned(claim), "every step is claimed")

    def _follow_up(self, sources: Sequence[Source]) -> bool:
        """Write the halves of claims that hold in some places only, and opposites of steps."""
        rows = tables.claims_in(self._log.db, self._space)
        parts = self._parts(rows, sources)
        made = False
        for row in rows:
            split = disagreement(parts[row.id], row.claim.effect.sign)
            if split is not None and row.status == "contested":
                for claim in scoped(row.claim, split):
                    made |= self.write(claim, f"split from {row.id}: {split.words}")[1]
            if row.claim.origin.source == "grid" and row.status == "retired":
                made |= self.write(turned(row.claim), f"the opposite of {row.id}")[1]
        return made

    def _bench(self, keys: Iterable[str]) -> None:
        """Bench heuristics with a lift below zero, take back those that recovered."""
        for key, told in sorted(lift.lifts(self._log.db, keys).items()):
            if tables.set_bench(self._log.db, key, told.harmful):
                self.note("bench", key, {"benched": told.harmful, "reason": told.words})

    def note(self, kind: str, subject: str, body: Mapping[str, object]) -> int | None:
        """Add an event that follows from others, unless they are being read back."""
        if self.replaying:
            return None
        return self._log.append(kind, subject, json.dumps(body))

    @property
    def _space(self) -> str:
        return self._pairs.space.name if self._pairs else ""


def sources_of(
    objective: Objective,
    runs: Sequence[tables.Run],
    rows: Mapping[str, Sequence[tuple[Arch, float, float]]],
) -> list[Source]:
    """Independent sources of one objective; `rows` are `(arch, value, latency_ms)` by run."""
    found: dict[tuple[str, str, str], list[Source]] = {}
    seen: dict[tuple[str, str, str], set[tuple[Arch, float]]] = {}
    for run in runs:
        accuracy = objective == "accuracy"
        place = (run.task, "" if accuracy else run.device, run.recipe if accuracy else "")
        known = seen.setdefault(place, set())
        own = [(arch, value if accuracy else ms) for arch, value, ms in rows[run.run]]
        own = [pair for pair in own if pair not in known]
        known |= set(own)
        if own:
            _join(found.setdefault(place, []), objective, run, place, own)
    return [source for sources in found.values() for source in sources]


def _join(
    sources: list[Source],
    objective: Objective,
    run: tables.Run,
    place: tuple[str, str, str],
    own: Sequence[tuple[Arch, float]],
) -> None:
    """Add a run's own trainings: to the source of its seed, to the last one, or as a new one."""
    context = f"{run.space}/{run.task}/{run.device}"
    same = [n for n, source in enumerate(sources) if source.number == run.seed]
    few = len(own) < LEAST_ARCHS or (sources and len(sources[-1].archs) < LEAST_ARCHS)
    if not sources or not (same or few):
        archs, values = _averaged(own)
        metric = Metric.model_validate_json(run.metric)
        names = (run.space, *place)
        contexts = (context,)
        sources.append(Source(objective, *names, run.seed, contexts, archs, values, metric))
        return
    n = same[0] if same else len(sources) - 1
    old = sources[n]
    archs, values = _averaged([*zip(old.archs, old.values, strict=True), *own])
    every = tuple(sorted({*old.contexts, context}))
    sources[n] = replace(old, contexts=every, archs=archs, values=values)


def _averaged(pairs: Sequence[tuple[Arch, float]]) -> tuple[tuple[Arch, ...], tuple[float, ...]]:
    """One value per architecture, in the order of first mention."""
    values: dict[Arch, list[float]] = {}
    for arch, value in pairs:
        values.setdefault(arch, []).append(value)
    return tuple(values), tuple(float(np.mean(v)) for v in values.values())


def plain_claim(claim: Claim) -> Claim:
    """The claim without a guess at its size, and accuracies without devices: equal for all."""
    effect = claim.effect.model_copy(update={"size": None})
    scope = claim.scope
    if effect.objective == "accuracy":
        scope = scope.model_copy(update={"devices": ()})
    return claim.model_copy(update={"effect": effect, "scope": scope})


def replay(log: EventLog, learner: Learner) -> None:
    """Fill empty derived tables from the whole log; statuses are those it recorded."""
    learner.replaying = True
    try:
        for event in list(log.events()):
            if event.kind == "lesson":
                learner.lesson(LESSON.validate_json(event.body), event.seq)
            elif event.kind == "claim":
                body = json.loads(event.body)
                learner.claim(Claim.model_validate(body["claim"]), body["reason"], event.seq)
            elif event.kind == "proposed":
                tables.set_seq(log.db, event.subject, event.seq)
            elif event.kind == "status":
                tables.set_status(log.db, event.subject, json.loads(event.body)["to"], event.seq)
            elif event.kind == "bench":
                tables.set_bench(log.db, event.subject, json.loads(event.body)["benched"])
        learner.weigh()
    finally:
        learner.replaying = False


def _packed(part: Part | None) -> str | None:
    return None if part is None else json.dumps(asdict(part))


def _unpacked(body: str | None) -> Part | None:
    if body is None:
        return None
    fields = json.loads(body)
    return Part(**(fields | {"against": tuple(fields["against"])}))
