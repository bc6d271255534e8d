"""kill -9 at every step of a training attempt: the next one ends where an undisturbed one would have."""

from __future__ import annotations

import signal
import subprocess
import sys

import numpy as np
import pytest

from personas.entities import LABELS, JobStatus, VersionStatus
from personas.selectors.learning import TRAINER_CURSOR
from personas.state_hash import state_hash
from tests.factories import EMBEDDER
from training.champion import VersionRecogniser
from training.classifier import PersonaClassifier
from training.collect import collect_training_set
from training.rescoring import RESCORE
from training.scoring import score_matrix
from training.settled import Settled

pytestmark = [pytest.mark.kill, pytest.mark.django_db(transaction=True)]

#: (store call, moment) in the order a training attempt passes them.
MOMENTS = [
    ("put_job", "after"),  # before the fit
    ("add_model_version", "before"),  # fitted, artefact written, version unknown
    ("add_model_version", "after"),  # version known, nothing published
    ("put_ranked", "after"),  # some pages written
    ("add_fresh", "after"),  # all pages written, version not marked ready
    ("switch_champion", "before"),  # published, pointer not moved
    ("switch_champion", "after"),  # pointer moved, nothing else done
    ("advance_cursor", "before"),  # all but the cursor
]
#: The same for a version that is scored in shares of ten faces.
MOMENTS_IN_SHARES = [
    ("put_shares", "before"),  # inputs fixed, no share written
    ("put_shares", "after"),  # shares written, their job unknown
    ("share", "after"),  # a share in hand, its lease held
    ("put_ranked", "after"),  # all shares done, some pages written
    ("add_fresh", "after"),  # all pages written, the job not ended
]


def undisturbed(world):
    """What the pages hold when nothing goes wrong, computed without any of the steps that are killed."""
    said, matrix = list(world.store.all_labels()), world.trainer.open_matrix(EMBEDDER)
    s = collect_training_set(said, matrix)
    classifier = PersonaClassifier().fit(s.X, s.y, strangers=s.strangers, rejected=s.rejected, background=s.background)
    recogniser = VersionRecogniser(0, matrix.embedder, classifier)
    settled = Settled.of(said, said_through=world.store.head(LABELS))
    scores = score_matrix(recogniser, matrix, rows=np.arange(len(matrix)), settled=settled)
    return {name: dict(ranked) for name, ranked in scores.predicted.by_persona(recogniser.names).items()}


@pytest.mark.parametrize(
    ("method", "moment", "split_faces"),
    [*((*each, 10**9) for each in MOMENTS), *((*each, 20) for each in MOMENTS_IN_SHARES)],
)
def test_after_a_kill_one_more_training_ends_in_the_undisturbed_state(
    world, child_environment, tmp_path, method, moment, split_faces
):
    expected, before = undisturbed(world), state_hash(world.store)
    arguments = [str(tmp_path), method, moment, "SIGKILL", str(split_faces)]
    command = [sys.executable, "-m", "tests.training.killed_trainer", *arguments]
    child = subprocess.run(command, env=child_environment, capture_output=True, text=True, timeout=300)
    assert child.returncode == -signal.SIGKILL, child.stderr
    assert set(world.predicted("Ada"))  # readers always see a whole version

    world.split_faces = split_faces
    world.trainer.train(actor="tester", only_new_labels=True, wait_seconds=120)

    assert {name: world.predicted(name) for name in ("Ada", "Bo")} == {
        name.title(): ranked for name, ranked in expected.items()
    }
    assert state_hash(world.store) == before
    versions = world.store.model_versions().items
    assert {version.status for version in versions} == {VersionStatus.READY}
    assert world.store.champion().version == versions[0].version
    assert world.store.cursor(TRAINER_CURSOR) == world.store.head(LABELS)
    jobs = [job for job in world.store.jobs().items if job.kind == RESCORE]
    assert [job.status for job in jobs] == ([JobStatus.DONE] if split_faces < 10**9 else [])
