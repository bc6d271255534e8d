"""Builds the product's image and runs roles from it, with buildah alone: no daemon, no registry, no namespaces.

The base is a Debian that debootstrap makes; processes of the image run in a chroot and use this machine's network. All
of it lies in a folder of the run's own.
"""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.conftest import REPOSITORY

SUITE, MIRROR = "bookworm", "http://deb.debian.org/debian"
PACKAGES = "python3,python3-venv"
BASE, IMAGE = "localhost/base", "localhost/faceproject"
#: Where the build finds this machine's certificates and the settings of its pip.
AUTHORITIES, PIP_SETTINGS = "/etc/ssl/of-the-host.pem", "/etc/pip.conf"
#: Settings of pip that lead to packages.
_PIP_KEYS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout")


class NoBuilderError(Exception):
    """The image cannot be built here; the message says what is missing."""


class Builder:
    """folder: where the store and the base are kept."""

    def __init__(self, folder: Path) -> None:
        """Raises NoBuilderError."""
        missing = [name for name in ("buildah", "debootstrap") if shutil.which(name) is None]
        if missing:
            raise NoBuilderError(f"no image builder: apt-get install {' '.join(missing)}")
        if os.geteuid() != 0:
            raise NoBuilderError("no image builder: debootstrap and buildah's chroot need root")
        self._folder = folder
        self._driver = "overlay" if self._ended_well("overlay") else "vfs"

    def _command(self, driver: str) -> list[str]:
        store = self._folder / f"store-{driver}"
        return [*("buildah", "--root", str(store), "--runroot", str(store / "run")), "--storage-driver", driver]

    def _ended_well(self, driver: str) -> bool:
        """Whether the kernel has what this driver needs, here."""
        return subprocess.run([*self._command(driver), "info"], capture_output=True, check=False).returncode == 0

    def do(self, *words: str | Path, seconds: float = 600.0) -> str:
        """`buildah …`; what it printed. Raises AssertionError with what it said."""
        command = [*self._command(self._driver), *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False, cwd=REPOSITORY)
        assert done.returncode == 0, f"{' '.join(map(str, words))}:\n{(done.stdout + done.stderr)[-4000:]}"
        return done.stdout.strip()

    # ---- building ----------------------------------------------------------------------------------------------------
    def build(self) -> None:
        """The image, from the Dockerfile as it stands."""
        self._make_base()
        self.do(
            *("build", "--isolation=chroot", "--network=host", "--format=docker", "--pull-never"),
            *("--build-arg", f"BASE_IMAGE={BASE}", *self._host()),
            *("--file", "docker/Dockerfile", "--tag", IMAGE, "."),
            seconds=1200,
        )

    def _make_base(self) -> None:
        root = self._folder / "base"
        made = subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(root), MIRROR],
            env={**os.environ, "DPKG_FORCE": "unsafe-io"},  # nobody needs this folder after a power cut
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise NoBuilderError(f"no base for the image: debootstrap failed: {(made.stdout + made.stderr)[-1000:]}")
        shutil.rmtree(root / "var/cache/apt", ignore_errors=True)
        container = self.do("from", "scratch")
        self.do("add", "--quiet", container, root, "/")
        self.do("commit", "--quiet", container, BASE)
        self.do("rm", container)
        shutil.rmtree(root)

    def _host(self) -> list[str]:
        """What pip needs of this machine, mounted while it builds: none of it is in the image."""
        authorities = os.environ.get("PIP_CERT") or ssl.get_default_verify_paths().cafile
        settings = ["[global]"]
        for key in _PIP_KEYS:
            said = subprocess.run(
                [sys.executable, "-m", "pip", "config", "get", f"global.{key}"],
                capture_output=True,
                text=True,
                check=False,
            )
            value = os.environ.get(f"PIP_{key.upper().replace('-', '_')}") or said.stdout.strip()
            settings += [f"{key} = {value}"] if value else []
        mounted = [f"{self._folder / 'pip.conf'}:{PIP_SETTINGS}:ro"]
        if authorities and Path(authorities).exists():
            settings.append(f"cert = {AUTHORITIES}")
            mounted.append(f"{Path(authorities).resolve()}:{AUTHORITIES}:ro")
        (self._folder / "pip.conf").write_text("\n".join(settings) + "\n")
        return [word for volume in mounted for word in ("--volume", volume)]

    # ---- running -----------------------------------------------------------------------------------------------------
    def container(self) -> str:
        """A container of the image."""
        return self.do("from", "--pull-never", IMAGE)

    def run_command(self, container: str, command: Sequence[str], environment: Mapping[str, str]) -> list[str]:
        """What runs a command in a container, as the image's user. Its volumes last from one command to the next."""
        variables = (word for name, value in environment.items() for word in ("--env", f"{name}={value}"))
        running = [*self._command(self._driver), "run", "--isolation=chroot", "--network=host"]
        return [*running, *variables, container, "--", *command]

    def configuration(self) -> dict[str, Any]:
        """What the image says of itself (Docker's format)."""
        said: dict[str, Any] = json.loads(self.do("inspect", "--type", "image", IMAGE))["Docker"]["config"]
        return said
