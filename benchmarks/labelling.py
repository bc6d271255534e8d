"""How many answers of a person it takes to know who is who: the review queue's order beside random order.

A simulated labeller sits before data/lfw-dev: 81 people and strangers. At first nobody is known, or every second person
by one label. (One label for everybody is no beginning: it names more than 95 % at once; the last row says how many.)
They answer what they are asked, truly: a name, or "stranger". After every ANSWERS_A_FIT answers the product's
classifier is fitted on all that was said, with the unlabelled faces as background, and orders what comes next
(`personas.asking`). Recall is the share of held-out faces of the 81 people that the classifier names, and rightly: half
of the protocol's probes, drawn anew for each seed and seen by no fit. In random order an answer is about one face; the
queue is measured that way too, and as people use it, with faces that look alike answered together.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from benchmarks.open_set import Protocol, _embed, _start, read_protocol
from benchmarks.peers_recipe import one_thread
from benchmarks.report import Goal, Row
from benchmarks.settings import Bench
from personas.asking import FACES_A_QUESTION, Pending, questions
from training.classifier import PersonaClassifier

Float32 = npt.NDArray[np.float32]
Names = npt.NDArray[np.str_]

ANSWERS_A_FIT = 20
GOAL_RECALL = 0.95
STRANGER = ""
#: Answers after which the curves are printed.
STOPS = (20, 40, 80, 120, 160, 240, 320, 480, 640, 960, 1280)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Faces to be labelled, and faces to be recognised. Embeddings float32 (n, 128); "" is the name of strangers."""

    pool: Float32
    pool_names: Names
    probes: Float32
    probe_names: Names

    def first_labels(self, every: int) -> list[int]:
        """A row of the pool for each so-many-th person: the first of theirs."""
        names, first = np.unique(self.pool_names, return_index=True)
        return sorted(first[names != STRANGER][::every].tolist())

    @classmethod
    def of(cls, protocol: Protocol, seed: int) -> World:
        held_out = np.random.default_rng(seed).permutation(len(protocol.probes)) % 2 == 0
        strangers = np.full(len(protocol.strangers), STRANGER)
        return cls(
            pool=np.concatenate([protocol.labels, protocol.probes[~held_out], protocol.strangers]),
            pool_names=np.concatenate([protocol.label_names, protocol.probe_names[~held_out], strangers]),
            probes=protocol.probes[held_out],
            probe_names=protocol.probe_names[held_out],
        )


@dataclass(kw_only=True)
class Labelling:
    """What was said so far of a world, and what a classifier fitted on it says."""

    world: World
    said: list[int] = field(default_factory=list)  #: rows of the pool

    @cached_property
    def classifier(self) -> PersonaClassifier | None:
        """None: nobody has a name yet."""
        rows = np.array(self.said, np.int64)
        names = self.world.pool_names[rows]
        known = names != STRANGER
        if not known.any():
            return None
        rest = np.delete(self.world.pool, rows, axis=0)
        faces = self.world.pool[rows]
        return PersonaClassifier().fit(faces[known], names[known], strangers=faces[~known], background=rest)

    def recall(self) -> float:
        if self.classifier is None:
            return 0.0
        claims = self.classifier.claims(self.world.probes)
        named = self.classifier.classes_[claims.class_index]
        return float(np.mean(claims.accepted & (named == self.world.probe_names)))

    def strangers_named(self) -> float:
        """Of the strangers nobody spoke of."""
        rest = np.delete(np.arange(len(self.world.pool)), self.said)
        strangers = self.world.pool[rest[self.world.pool_names[rest] == STRANGER]]
        return float(np.mean(self.classifier.claims(strangers).accepted)) if self.classifier else 0.0

    def after(self, rows: Sequence[int]) -> Labelling:
        return Labelling(world=self.world, said=[*self.said, *rows])

    def asked(self, limit: int, together: int) -> list[list[int]]:
        """The next questions, as rows of the pool."""
        rest = np.delete(np.arange(len(self.world.pool)), self.said)
        faces = self.world.pool[rest]
        best, probability = np.full(len(rest), -1), np.zeros(len(rest))
        named = np.zeros(len(rest), np.bool_)
        if self.classifier:
            claims = self.classifier.claims(faces)
            best, probability = claims.class_index.astype(np.int64), claims.probability.astype(np.float64)
            named = claims.accepted
        pending = Pending(vectors=faces, best=best, probability=probability, named=named)
        return [rest[list(rows)].tolist() for rows in questions(pending, limit=limit, together=together)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One labeller: recall by number of answers, and where it reached the goal."""

    curve: dict[int, float]
    answers: int
    labels: int
    strangers_named: float


def in_order_of_the_queue(world: World, start: Sequence[int], *, together: int) -> Run:
    """Answers until the goal is reached or nothing is worth asking. start: rows that are labelled before."""
    standing, n_answers = Labelling(world=world, said=list(start)), 0
    curve = {0: standing.recall()}
    while curve[n_answers] < GOAL_RECALL and (asked := standing.asked(ANSWERS_A_FIT, together)):
        rows = []
        for first, *others in asked:
            truth = world.pool_names[first]
            rows += [first, *(other for other in others if world.pool_names[other] == truth)]
        standing, n_answers = standing.after(rows), n_answers + len(asked)
        curve[n_answers] = standing.recall()
    return Run(
        curve=curve,
        answers=n_answers,
        labels=len(standing.said) - len(start),
        strangers_named=standing.strangers_named(),
    )


def in_random_order(world: World, start: Sequence[int], seed: int) -> Run:
    """The order depends on no fit, so the number of answers is found by halving, and the curve at STOPS alone."""
    rest = np.delete(np.arange(len(world.pool)), np.array(start, np.int64))
    order = np.random.default_rng(1000 + seed).permutation(rest).tolist()

    def recall(n_answers: int) -> float:
        return Labelling(world=world, said=[*start, *order[:n_answers]]).recall()

    curve = {n_answers: recall(n_answers) for n_answers in (0, *STOPS)}
    low = max((n for n, reached in curve.items() if reached < GOAL_RECALL), default=0)
    high = min((n for n, reached in curve.items() if reached >= GOAL_RECALL), default=len(order))
    while high - low > ANSWERS_A_FIT:
        middle = (low + high) // 2
        low, high = (low, middle) if recall(middle) >= GOAL_RECALL else (middle, high)
    there = Labelling(world=world, said=[*start, *order[:high]])
    return Run(curve=curve, answers=high, labels=high, strangers_named=there.strangers_named())


def measure(bench: Bench) -> Iterable[Row]:
    folder = bench.data("lfw-dev")
    cache = bench.scratch / "models"
    cache.mkdir()
    one_thread()
    with multiprocessing.get_context("spawn").Pool(bench.n_processes, _start, (cache,)) as pool:
        protocol = read_protocol(folder, lambda paths: pool.map(_embed, paths, chunksize=8))
    yield from compare([World.of(protocol, seed) for seed in range(bench.seeds)])


def compare(worlds: Sequence[World]) -> Iterator[Row]:
    """Rows of both orders from both beginnings; prints their curves."""
    yield from _from("nobody known", worlds, [[] for _ in worlds])
    yield from _from("every second person known", worlds, [world.first_labels(2) for world in worlds])
    everybody = _mean(Labelling(world=world, said=world.first_labels(1)).recall() for world in worlds)
    yield Row(what="recall with one label for everybody, before any answer", figure=100 * everybody, unit="%")


def _from(beginning: str, worlds: Sequence[World], starts: Sequence[Sequence[int]]) -> Iterator[Row]:
    pairs = list(zip(worlds, starts, strict=True))
    together = [in_order_of_the_queue(world, start, together=FACES_A_QUESTION) for world, start in pairs]
    alone = [in_order_of_the_queue(world, start, together=1) for world, start in pairs]
    at_random = [in_random_order(world, start, seed) for seed, (world, start) in enumerate(pairs)]
    curves = {"the queue": together, "the queue, one face an answer": alone, "random order": at_random}
    _show(beginning, curves)
    random_answers = _mean(run.answers for run in at_random)
    for what, runs in (("answers", together), ("answers, one face each", alone)):
        needed = _mean(run.answers for run in runs)
        reached = _mean(max(run.curve.values()) for run in runs)
        yield Row(
            what=f"{beginning}: {what} until 95 % recall, of those in random order",
            figure=needed / random_answers,
            unit="x",
            goal=Goal(at_most=0.5),
            beside=f"{needed:.0f} of {random_answers:.0f}, mean of {len(runs)} seeds; reached {100 * reached:.1f} %; "
            f"{_mean(run.labels for run in runs):.0f} faces labelled",
        )
    yield Row(
        what=f"{beginning}: strangers named then",
        figure=100 * _mean(run.strangers_named for run in together),
        unit="%",
        beside=f"in random order {100 * _mean(run.strangers_named for run in at_random):.2f} %",
    )


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def _show(beginning: str, curves: dict[str, list[Run]]) -> None:
    table = Table(title=f"Recall by number of answers, %; {beginning} at first", title_justify="left")
    table.add_column("answers", justify="right")
    for name in curves:
        table.add_column(name, justify="right")
    for stop in (0, *STOPS):
        means = [100 * _mean(_at(run.curve, stop) for run in runs) for runs in curves.values()]
        table.add_row(str(stop), *(f"{mean:.1f}" for mean in means))
    Console(stderr=True, width=120).print(table)


def _at(curve: dict[int, float], n_answers: int) -> float:
    """Recall after so many answers; of the last fit before."""
    return curve[max(n for n in curve if n <= n_answers)]
