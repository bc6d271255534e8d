"""What is said of a face depends on the face and the version alone: not on its neighbours, its row or the order."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from personas.entities import Label, RankedFace, RankedKind
from personas.face_arrays import FaceKeys
from tests import factories as make
from tests.training.embeddings import People
from training import gallery, scoring
from training.champion import VersionRecogniser
from training.classifier import PersonaClassifier
from training.collect import background_rows
from training.matrix import KEY_DTYPE, EmbeddingMatrix
from training.scoring import Scores, score_matrix
from training.settled import Settled, SettledCorruptError

NAMES = ("ann", "bob", "cid", "dot", "eve")


@pytest.fixture(scope="module")
def recogniser() -> VersionRecogniser:
    """Knows five people, one of them in two looks, a stranger and a rejected face."""
    people = People(seed=3)
    persons = [people.person() for _ in NAMES]
    faces = [people.faces(person, 8) for person in persons]
    faces[0] = np.concatenate([faces[0], people.faces(persons[0], 4, covered=True)])
    classifier = PersonaClassifier().fit(
        np.concatenate(faces),
        np.repeat(NAMES, [len(some) for some in faces]),
        strangers=people.strangers(3),
        rejected=(people.faces(persons[1], 1), ["ann"]),
        background=people.strangers(300),
    )
    return VersionRecogniser(1, "test", classifier)


@pytest.fixture(scope="module")
def matrix() -> EmbeddingMatrix:
    """2,000 faces of the five, of relatives who resemble them more or less, and of strangers; some share a picture."""
    people = People(seed=3)
    persons = [people.person() for _ in NAMES]
    rng = np.random.default_rng(4)
    vectors = []
    for n in range(2000):
        own = 1.0 - n / 1500 if n < 1500 else 0.0
        row = own * persons[n % len(persons)] + people.person()
        vectors.append(row[0] / np.linalg.norm(row))
    vectors[7] = np.zeros(128)
    keys = np.zeros(2000, KEY_DTYPE)
    ids = [hashlib.sha256(str(n // 2).encode()).digest() for n in range(2000)]
    keys["image_id"] = np.frombuffer(b"".join(ids), "V32")
    keys["face_no"] = np.arange(2000) % 2
    keys["ingest_seq"] = rng.integers(1, 9, 2000)
    return EmbeddingMatrix(keys, np.array(vectors, np.float32), 8, "test")


@pytest.fixture(scope="module")
def settled(matrix: EmbeddingMatrix) -> Settled:
    """Some of the surest faces are named, others rejected."""
    return Settled(
        named=FaceKeys.of(sorted(matrix.face_keys(np.arange(0, 40, 4)))),
        rejected_faces=matrix.face_keys(np.arange(1, 40, 4)),
        rejected_personas=tuple(NAMES[n % len(NAMES)] for n in range(1, 40, 4)),
    )


def lists(scores: Scores, recogniser: VersionRecogniser) -> dict[tuple[str, str], list[RankedFace]]:
    """Both lists of every persona, in the order pages have them."""
    return {
        (kind.value, name): list(faces.in_order(kind))
        for kind, claimed in ((RankedKind.PREDICTED, scores.predicted), (RankedKind.REVIEW, scores.review))
        for name, faces in claimed.by_persona(recogniser.names).items()
    }


def everything(matrix: EmbeddingMatrix) -> np.ndarray:
    return np.arange(len(matrix))


def test_named_faces_are_left_out_and_rejected_ones_go_to_nobody_they_were_said_not_to_be(
    recogniser: VersionRecogniser, matrix: EmbeddingMatrix, settled: Settled
) -> None:
    scores = score_matrix(recogniser, matrix, rows=everything(matrix), settled=settled)
    found = {(name, face.key) for (kind, name), faces in lists(scores, recogniser).items() for face in faces}
    assert len(scores.predicted) > 200
    assert not {key for _, key in found} & set(settled.named)
    assert not found & set(zip(settled.rejected_personas, settled.rejected_faces, strict=True))
    without = score_matrix(recogniser, matrix, rows=everything(matrix), settled=Settled.of([], said_through=0))
    kept = {(name, face.key) for (_, name), faces in lists(without, recogniser).items() for face in faces}
    assert kept & set(zip(settled.rejected_personas, settled.rejected_faces, strict=True))


@pytest.mark.parametrize("seed", range(8))
def test_faces_scored_in_any_shares_and_blocks_give_the_same_bits(
    recogniser: VersionRecogniser, matrix: EmbeddingMatrix, settled: Settled, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = score_matrix(recogniser, matrix, rows=everything(matrix), settled=settled)
    rng = np.random.default_rng(seed)
    monkeypatch.setattr(scoring, "CHUNK", int(rng.integers(1, 300)))
    monkeypatch.setattr(gallery, "SCORES_AT_ONCE", int(rng.integers(1, 5000)))
    share_of = rng.integers(0, 1 + seed, len(matrix))
    shares = [
        score_matrix(recogniser, matrix, rows=np.flatnonzero(share_of == n), settled=settled)
        for n in rng.permutation(1 + seed)
    ]
    joined = Scores.joined(shares).cut(len(recogniser.names))
    assert lists(joined, recogniser) == lists(whole, recogniser)


def test_the_order_of_the_rows_does_not_matter(
    recogniser: VersionRecogniser, matrix: EmbeddingMatrix, settled: Settled
) -> None:
    order = np.random.default_rng(1).permutation(len(matrix))
    shuffled = EmbeddingMatrix(matrix.keys[order], matrix.vectors[order], 8, "test")
    one, other = (score_matrix(recogniser, some, rows=everything(some), settled=settled) for some in (matrix, shuffled))
    assert lists(one, recogniser) == lists(other, recogniser)


def test_a_face_alone_is_predicted_as_in_the_pages_to_the_last_digit(
    recogniser: VersionRecogniser, matrix: EmbeddingMatrix
) -> None:
    scores = score_matrix(recogniser, matrix, rows=everything(matrix), settled=Settled.of([], said_through=0))
    listed = {
        face.key: (name, face.probability)
        for name, faces in scores.predicted.by_persona(recogniser.names).items()
        for face in faces
    }
    for row in range(0, len(matrix), 7):
        key = matrix.face_keys([row])[0]
        said = recogniser.predict([key], matrix.vectors[row : row + 1], rejected={})[0]
        assert ((said.persona_id, said.probability) if said.persona_id else None) == listed.get(key)


def test_only_the_most_uncertain_faces_of_a_persona_are_kept_for_review(
    recogniser: VersionRecogniser, matrix: EmbeddingMatrix, settled: Settled, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = lists(score_matrix(recogniser, matrix, rows=everything(matrix), settled=settled), recogniser)
    monkeypatch.setattr(scoring, "REVIEW_LIMIT", 5)
    short = lists(score_matrix(recogniser, matrix, rows=everything(matrix), settled=settled), recogniser)
    reviewed = [key for key in long if key[0] == "review"]
    assert max(len(long[key]) for key in reviewed) > 5
    for key in reviewed:
        assert short[key] == long[key][:5]


def test_no_rows_give_no_claims(recogniser: VersionRecogniser, matrix: EmbeddingMatrix, settled: Settled) -> None:
    scores = score_matrix(recogniser, matrix, rows=np.zeros(0, np.intp), settled=settled)
    assert (len(scores.predicted), len(scores.review)) == (0, 0)


def test_the_background_is_the_same_whatever_the_order_of_the_rows(
    matrix: EmbeddingMatrix, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.collect.BACKGROUND_LIMIT", 101)
    order = np.random.default_rng(2).permutation(len(matrix))
    shuffled = EmbeddingMatrix(matrix.keys[order], matrix.vectors[order], 8, "test")
    named = {row for row in range(len(matrix)) if row % 3 == 0}
    chosen = list(matrix.face_keys(background_rows(matrix, exclude=named)))
    now_at = {int(row): place for place, row in enumerate(order)}
    same = list(shuffled.face_keys(background_rows(shuffled, exclude={now_at[row] for row in named})))
    open_keys = [matrix.face_keys([row])[0] for row in range(len(matrix)) if row not in named]
    lowest = sorted(open_keys, key=lambda key: (key.image_id[48:], key.face_no, key))[:101]
    assert chosen == same == sorted(lowest)


def test_what_was_settled_reads_back_and_a_damaged_file_is_named(settled: Settled) -> None:
    content = settled.to_bytes()
    read = Settled.from_bytes(content)
    assert list(read.named) == list(settled.named)
    assert list(read.rejected_faces) == list(settled.rejected_faces)
    assert read.rejected_personas == settled.rejected_personas
    assert read.to_bytes() == content
    with pytest.raises(SettledCorruptError, match="train"):
        Settled.from_bytes(content[:50])
    assert list(Settled.from_bytes(Settled.of([], said_through=0).to_bytes()).named) == list(FaceKeys.of([]))


def test_what_was_said_later_is_not_settled() -> None:
    def said(name: str, seq: int, *, belongs: bool) -> Label:
        return Label(
            persona_id="ann",
            image_id=make.image_id(name),
            face_no=0,
            belongs=belongs,
            actor="zoe",
            at=make.NOW,
            seq=seq,
        )

    labels = [
        said("a", 1, belongs=True),
        said("b", 3, belongs=True),
        said("c", 2, belongs=False),
        said("d", 4, belongs=False),
    ]
    settled = Settled.of(labels, said_through=2)
    assert (list(settled.named), list(settled.rejected_faces)) == ([make.key("a")], [make.key("c")])
