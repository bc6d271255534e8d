"""What is done to an installation while its processes are killed: pictures, uploads, labels, the same for every run.

A label speaks of a fixed face of a fixed picture, by the id of its persona and under a command id of its own, and none
speaks of a face that a sidecar labels. So the outcome does not depend on when what was taken in, or how often a command
had to be sent.
"""

from __future__ import annotations

import io
import json
import random
import shutil
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from personas.entities import STRANGER
from personas.services.personas import persona_id_of_name

SAMPLES = Path(__file__).resolve().parents[2] / "sample_data"
#: Pictures of a round that come by the upload page; each is on no sidecar's list.
UPLOADED = ("stranger-09", "stranger-10")
_COMMANDS = uuid.UUID("5f0c1a52-7c37-5c0b-9d0a-3b1f6a5a9c11")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One labelling command."""

    command_id: str
    picture: str  #: name of its file; its face 0 is meant
    verdict: str
    persona_id: str = ""
    name: str = ""  #: of a persona that is added by this command
    events: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A folder to take in, pictures to upload, then labels to give, one after the other."""

    folder: Path
    uploads: tuple[Path, ...]
    said: tuple[Said, ...]

    @property
    def pictures(self) -> list[str]:
        """Names of everything that must be in before the first label is given."""
        return sorted(path.name for path in (*self.folder.glob("*.jpg"), *self.uploads))


def rounds(root: Path, *, number: int, seed: int) -> list[Round]:
    """Rounds on the sample pictures, below `root`. From the second on they are saved anew, each round differently: the
    same faces in pictures of other bytes."""
    rng = random.Random(seed)
    return [_round(root / f"round-{n}", n, seed, rng) for n in range(number)]


def _round(root: Path, number: int, seed: int, rng: random.Random) -> Round:
    folder, later = root / "folder", root / "uploads"
    folder.mkdir(parents=True)
    later.mkdir()
    uploads = []
    for picture in sorted(SAMPLES.glob("*.jpg")):
        name = f"{picture.stem}-r{number}.jpg"
        if picture.stem in UPLOADED:
            (later / name).write_bytes(_content(picture, number))
            uploads.append(later / name)
            continue
        (folder / name).write_bytes(_content(picture, number))
        shutil.copy(picture.with_suffix(".json"), (folder / name).with_suffix(".json"))
    return Round(folder=folder, uploads=tuple(uploads), said=tuple(_said(number, seed, rng)))


def _content(picture: Path, number: int) -> bytes:
    if not number:
        return picture.read_bytes()
    saved = io.BytesIO()
    with Image.open(picture) as opened:
        opened.save(saved, "JPEG", quality=95, comment=f"round {number}")
    return saved.getvalue()


def _said(number: int, seed: int, rng: random.Random) -> Iterator[Said]:
    """Of faces that no sidecar labels: who they are, whom they are not, that they are nobody, and some of it again."""
    commands = (str(uuid.uuid5(_COMMANDS, f"{seed} {number} {n}")) for n in range(1_000))

    def said(stem: str, verdict: str, persona_id: str) -> Said:
        return Said(command_id=next(commands), picture=f"{stem}-r{number}.jpg", verdict=verdict, persona_id=persona_id)

    people = {slug: persona_id_of_name(name) for slug, name in PEOPLE.items()}
    for slug, persona_id in people.items():
        first, second, corrected = rng.sample(_unlabelled(slug), 3)
        yield said(first, "belongs", persona_id)
        yield said(second, "belongs", persona_id)
        yield said(corrected, "belongs", STRANGER)
        yield said(corrected, "belongs", persona_id)
    one, other, third, fourth = rng.sample(_unlabelled("stranger"), 4)
    yield said(one, "belongs", STRANGER)
    yield said(other, "belongs", STRANGER)
    yield said(other, "cleared", STRANGER)
    yield said(third, "rejected", rng.choice(sorted(people.values())))
    new = f"New {number}"
    yield Said(command_id=next(commands), picture=f"{fourth}-r{number}.jpg", verdict="belongs", name=new, events=2)


#: Whom the sample pictures show, by how their files begin.
PEOPLE = {"eileen-collins": "Eileen Collins", "grace-hopper": "Grace Hopper"}


def _unlabelled(begins: str) -> list[str]:
    """Pictures whose sidecar makes no label and that are not uploaded."""
    stems = [
        path.stem
        for path in sorted(SAMPLES.glob(f"{begins}*.json"))
        if not json.loads(path.read_text())["labeled"] and path.stem not in UPLOADED
    ]
    assert stems, f"no pictures {begins}*"
    return stems


def commands(all_rounds: Sequence[Round]) -> list[Said]:
    return [said for each in all_rounds for said in each.said]
