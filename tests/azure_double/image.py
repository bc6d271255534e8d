"""What container images are on this machine: the product's is this checkout, Redis the local server, Caddy ours.

A container's command is run as it stands. What differs from a container is made up for around it: /app is the checkout,
mounted folders and the container's own disk are folders, and its ports are mapped, since all containers share one
machine. Nothing of the test's own environment comes in but PATH and LANG.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.azure_double.https import Authority

REPOSITORY: Final = Path(__file__).resolve().parents[2]
#: Where the product lies in its image (docker/Dockerfile).
APP: Final = "/app/"
#: Its entry point.
ROLE: Final = f"{APP}docker/role"
#: References that the double takes for images of the public registries.
PUBLIC_IMAGES: Final = frozenset({"docker.io/library/redis:8", "docker.io/library/caddy:2"})
_SETTING: Final = re.compile(r"(\w+)=(\S+)")
#: Ports inside containers that variables say.
_PORT_VARIABLES: Final = {"PORT": 8000, "PROBE_PORT": 9100}
REDIS_PORT: Final = 6379


def image_environment() -> dict[str, str]:
    """What the product's image sets: the ENV lines of the Dockerfile's last stage, without PATH."""
    text = (REPOSITORY / "docker" / "Dockerfile").read_text().replace("\\\n", " ")
    last = text.rpartition("\nFROM ")[2]
    lines = [line for line in last.splitlines() if line.startswith("ENV ")]
    return {name: value for line in lines for name, value in _SETTING.findall(line) if name != "PATH"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one container runs. disk: its own, empty at each start. ports: of the group, inside to real. fqdn: of the
    group, which its address stands for."""

    disk: Path
    address: str
    fqdn: str
    ports: Mapping[int, int]
    mounts: Mapping[str, Path]


class Images:
    """Makes commands and environments of containers."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        """folder: for programs, certificates and collected files, kept for the runtime's life."""
        self._folder, self._authority = folder, authority
        self.static, self._programs = folder / "static", folder / "bin"
        self._programs.mkdir(parents=True)
        self._write_programs()

    def command(self, command: Sequence[str], place: Place) -> list[str]:
        """As it is run here."""
        words = [self._on_disk(word, place) for word in command or (ROLE,)]
        return ["sh", *words] if words[0] == self._on_disk(ROLE, place) else words

    def environment(self, said: Mapping[str, str], place: Place) -> dict[str, str]:
        """Of a container whose group says this much."""
        inside = {**image_environment(), "STATIC_ROOT": str(self.static), **said}
        own = {name: str(place.disk / inside[name].lstrip("/")) for name in ("FACEPROJECT_HOME", "CACHE_ROOT")}
        mapped = {name: str(self._mapped(inside, name, usual, place)) for name, usual in _PORT_VARIABLES.items()}
        ports = ",".join(f"{inner}:{real}" for inner, real in place.ports.items())
        return {
            **{name: self._on_disk(value, place) for name, value in inside.items()},
            **own,
            **mapped,
            "PATH": os.pathsep.join([str(self._programs), str(Path(sys.executable).parent), os.environ["PATH"]]),
            "LANG": os.environ.get("LANG", "C.UTF-8"),
            "HOME": str(place.disk),
            "TMPDIR": str(place.disk / "tmp"),
            # The machine's trust store, which knows the double's authority as Azure's is known everywhere.
            "SSL_CERT_FILE": str(self._authority.bundle),
            "REQUESTS_CA_BUNDLE": str(self._authority.bundle),
            "REDIS_PORT_HERE": str(place.ports.get(REDIS_PORT, REDIS_PORT)),
            "CADDY_ADDRESS": place.address,
            "CADDY_FQDN": place.fqdn,
            "CADDY_PORTS": ports,
            "CADDY_CERTIFICATE": str(place.disk / "certificate.pem"),
        }

    def prepare(self, command: Sequence[str], place: Place) -> None:
        """What must lie on the container's disk before it starts."""
        (place.disk / "tmp").mkdir(parents=True)
        names = served(command)
        if names:
            reached = {place.address} if place.fqdn in names else set()
            self._authority.write_certificate(place.disk / "certificate.pem", *sorted({*names, *reached}))

    def collect(self) -> None:
        """Static files, which are collected when the image is built; here once, before the first role starts."""
        if self.static.exists():
            return
        home = self._folder / "build"
        environment = {
            "PATH": os.environ["PATH"],
            **image_environment(),
            "FACEPROJECT_HOME": str(home),
            "CACHE_ROOT": str(home / "cache"),
            "STATIC_ROOT": str(self.static),
            "SECRET_KEY": "of-the-build-only",
        }
        subprocess.run(
            [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"],
            cwd=REPOSITORY,
            env=environment,
            check=True,
            capture_output=True,
        )
        shutil.rmtree(home, ignore_errors=True)

    def _on_disk(self, word: str, place: Place) -> str:
        """A path of the container as one of this machine; anything else as it is."""
        for inside, outside in place.mounts.items():
            if word == inside or word.startswith(f"{inside}/"):
                return f"{outside}{word[len(inside) :]}"
        return str(REPOSITORY / word[len(APP) :]) if word.startswith(APP) else word

    def _mapped(self, inside: Mapping[str, str], name: str, usual: int, place: Place) -> int:
        port = int(inside.get(name) or usual)
        return place.ports.get(port, port)

    def _write_programs(self) -> None:
        """Servers that have no variable for their port are given it on the command line."""
        python = shlex.quote(sys.executable)
        repository = shlex.quote(str(REPOSITORY))
        programs = {
            "redis-server": _found("redis-server") + ' --bind 127.0.0.1 --port "$REDIS_PORT_HERE" "$@"',
            "redis-cli": _found("redis-cli") + ' -p "$REDIS_PORT_HERE" "$@"',
            "caddy": f'env PYTHONPATH={repository} {python} -m tests.azure_double.caddy "$@"',
        }
        for name, line in programs.items():
            path = self._programs / name
            path.write_text(f"#!/bin/sh\nexec {line}\n")
            path.chmod(0o755)


def served(command: Sequence[str]) -> tuple[str, ...]:
    """The names that a command has Caddy serve, each with a certificate; () where it starts another program."""
    if "--from" in command:
        return (command[command.index("--from") + 1],)
    return sites(command[-1]) if command and "caddy run" in command[-1] else ()


def sites(caddyfile: str) -> tuple[str, ...]:
    """The names before the only block of a Caddyfile that has names."""
    found = re.search(r"^([\w.-]+(?:, [\w.-]+)*) \{$", caddyfile, re.MULTILINE)
    return tuple(found[1].split(", ")) if found else ()


def _found(program: str) -> str:
    """Its path; a name that says what is missing when it is run."""
    return shlex.quote(shutil.which(program) or f"/not-installed/{program}")
