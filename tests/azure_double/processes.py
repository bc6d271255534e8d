"""Container groups as local processes: the runtime behind the double's container groups.

    with LocalProcesses(folder, authority, shares=files.folder_of) as runtime:
        AzureDouble(…, runtime=runtime)

Each group gets a loopback address of its own (127.64.x.y) and has its real ports there, which needs root for those
below 1024, and Linux for addresses that nobody configured. A port opens when the containers with a readiness probe are
ready. What it starts ends with it, and with the test run however that ends.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests import processes
from tests.azure_double.boxes import Box, environment_of
from tests.azure_double.gates import CannotListenError, Gate
from tests.azure_double.https import Authority
from tests.azure_double.image import PUBLIC_IMAGES, Images, Place
from tests.azure_double.reach import require_reach, require_share
from tests.azure_double.runtime_port import Address, ContainerState, Context, Refused

logger = logging.getLogger(__name__)
#: Between two looks at all containers, in seconds.
LOOK_SECONDS: Final = 0.1
#: Seconds that containers have between SIGTERM and SIGKILL.
GRACE_SECONDS: Final = 15.0
#: Ports that containers open without saying so: the probes' (docker/Dockerfile), and what a sidecar passes on to.
INNER_PORTS: Final = (8000, 9100)
#: The folder of a share, by storage account and name; None: there is none.
Shares = Callable[[str, str], Path | None]


@dataclass(slots=True, kw_only=True)
class Group:
    """One container group as it was last started."""

    id: str
    body: Mapping[str, Any]
    address: str
    boxes: list[Box]
    gates: list[Gate] = field(default_factory=list)
    fqdn: str = ""
    end_at: float | None = None  #: when to kill what is left; None: it shall run

    def is_ready(self) -> bool:
        """All its containers are."""
        return all(box.is_ready for box in self.boxes)


class LocalProcesses:
    """A runtime_port.Runtime. Use it as a context manager."""

    def __init__(
        self, folder: Path, authority: Authority, *, shares: Shares, public_images: frozenset[str] = PUBLIC_IMAGES
    ) -> None:
        """folder: for logs and the containers' disks. public_images: references that registries of others hold."""
        self._folder, self._shares, self._public_images = folder, shares, public_images
        self._images = Images(folder / "images", authority)
        self._groups: dict[str, Group] = {}
        self._stopped: dict[str, Group] = {}  #: how groups ended that were stopped and not started again
        self._ending: list[Group] = []  #: stopped ones whose processes still are
        self._addresses: dict[str, str] = {}
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="container groups")

    # ---- runtime_port.Runtime ----------------------------------------------------------------------------------------
    def start(self, group: Mapping[str, Any], context: Context) -> None:
        """See Runtime. Raises Refused."""
        group_id = str(group["id"]).lower()
        properties = group["properties"]
        for container in properties["containers"]:
            require_reach(context.network, environment_of(container["properties"].get("environmentVariables")))
        mounts = self._mounts(properties, context)
        with self._lock:
            self.stop(group_id)
            made = self._group(group_id, group, context, mounts)
            try:
                self._open(made)
            except CannotListenError as error:
                raise Refused("CannotListen", str(error)) from error
            self._groups[group_id] = made
            self._stopped.pop(group_id, None)

    def states(self, group_id: str) -> tuple[ContainerState, ...]:
        """See Runtime."""
        with self._lock:
            group = self._groups.get(group_id.lower()) or self._stopped.get(group_id.lower())
            return tuple(box.state() for box in group.boxes) if group else ()

    def logs(self, group_id: str, container: str, tail: int | None) -> str:
        """See Runtime."""
        log = self._log(group_id.lower(), container)
        text = log.read_text(errors="replace") if log.exists() else ""
        return text if tail is None else "".join(text.splitlines(keepends=True)[-tail:] if tail else [])

    def stop(self, group_id: str) -> None:
        """See Runtime. Its ports are closed at once; its processes get SIGTERM, and a while."""
        with self._lock:
            group = self._groups.pop(group_id.lower(), None)
            if group is None:
                return
            for gate in group.gates:
                gate.close()
            for box in group.boxes:
                box.stop()
            self._stopped[group.id] = group
            group.end_at = time.monotonic() + GRACE_SECONDS
            self._ending.append(group)

    def address(self, group_id: str) -> Address | None:
        """See Runtime."""
        with self._lock:
            group = self._groups.get(group_id.lower())
            if group is None:
                return None
            return Address(ip=group.address, fqdn=group.address if group.fqdn else "")

    # ---- for tests ---------------------------------------------------------------------------------------------------
    def pid(self, group_id: str, container: str) -> int | None:
        """Of a container's process; None while it has none."""
        with self._lock:
            for box in self._groups[group_id.lower()].boxes:
                if box.name == container and box.process is not None:
                    return box.process.pid
        return None

    def is_ready(self, group_id: str) -> bool:
        """All its containers run, and their readiness probes say yes: its ports are open. Azure shows no such thing."""
        with self._lock:
            group = self._groups.get(group_id.lower())
            return group is not None and group.is_ready()

    def __enter__(self) -> Self:
        """Containers run from now on."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all, and leave nothing of them."""
        with self._lock:
            for group_id in list(self._groups):
                self.stop(group_id)
        self._closing.set()
        self._thread.join()

    # ---- making groups -----------------------------------------------------------------------------------------------
    def _mounts(self, properties: Mapping[str, Any], context: Context) -> dict[str, dict[str, Path]]:
        """By container: mount path to folder. Raises Refused."""
        folders: dict[str, Path] = {}
        for volume in properties.get("volumes") or ():
            share = volume.get("azureFile")
            if share is None:
                raise Refused("InvalidVolume", f"Volume {volume['name']}: the double knows shares of Azure Files only.")
            account, name = share["storageAccountName"], share["shareName"]
            require_share(context.network, account)
            folder = self._shares(account, name)
            if folder is None:
                raise Refused("FailedMountAzureFile", f"Volume {volume['name']}: {account} has no share {name}.")
            folders[volume["name"]] = folder
        return {
            container["name"]: {
                mount["mountPath"].rstrip("/"): folders[mount["name"]]
                for mount in container["properties"].get("volumeMounts") or ()
            }
            for container in properties["containers"]
        }

    def _group(
        self, group_id: str, body: Mapping[str, Any], context: Context, mounts: Mapping[str, Mapping[str, Path]]
    ) -> Group:
        properties = body["properties"]
        address = self._address_of(group_id)
        said = {port["port"] for each in properties["containers"] for port in each["properties"].get("ports") or ()}
        ports = {inner: processes.free_port() for inner in sorted(said | set(INNER_PORTS))}
        boxes = []
        for container in properties["containers"]:
            name = container["name"]
            log = self._log(group_id, name)
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text("")
            disk = self._folder / "disks" / secrets.token_hex(4)
            boxes.append(
                Box(
                    name=name,
                    body=container,
                    policy=properties.get("restartPolicy") or "Always",
                    images=self._images,
                    place=Place(disk=disk, address=address, fqdn=context.fqdn, ports=ports, mounts=mounts[name]),
                    log=log,
                )
            )
        group = Group(id=group_id, body=body, address=address, boxes=boxes, fqdn=context.fqdn)
        self._pull(group, context)
        return group

    def _pull(self, group: Group, context: Context) -> None:
        """No container of a group starts while one lacks its image."""
        for box in group.boxes:
            if not self._is_there(str(box.body["properties"]["image"]), context):
                box.pull_error = "not found: manifest unknown"
        for box in group.boxes:
            box.held = any(each.pull_error for each in group.boxes)

    def _is_there(self, reference: str, context: Context) -> bool:
        if reference.partition("/")[0] in context.registries:
            return reference in context.images
        return reference in self._public_images

    def _open(self, group: Group) -> None:
        """Its ports. Raises CannotListenError."""
        address = group.body["properties"].get("ipAddress")
        said = (address or {}).get("ports") or [
            port for box in group.boxes for port in box.body["properties"].get("ports") or ()
        ]
        ports = group.boxes[0].place.ports
        for inner in sorted({port["port"] for port in said}):
            try:
                group.gates.append(
                    Gate((group.address, inner), ("127.0.0.1", ports[inner]), is_open=lambda: group.is_ready())
                )
            except CannotListenError:
                for gate in group.gates:
                    gate.close()
                raise

    def _address_of(self, group_id: str) -> str:
        """A loopback address that nobody listens on; the same for a group that is started again."""
        while group_id not in self._addresses:
            candidate = f"127.64.{secrets.randbelow(256)}.{1 + secrets.randbelow(254)}"
            with socket.socket() as probe, contextlib.suppress(OSError):
                probe.bind((candidate, 8000))
                if candidate not in self._addresses.values():
                    self._addresses[group_id] = candidate
        return self._addresses[group_id]

    def _log(self, group_id: str, container: str) -> Path:
        return self._folder / "logs" / group_id.strip("/").replace("/", "_") / f"{container}.log"

    # ---- the one thread that starts processes ------------------------------------------------------------------------
    def _run(self) -> None:
        while not (self._closing.wait(LOOK_SECONDS) and not self._ending):
            if any(box.is_product for box in self._running()):
                self._images.collect()  # what building the image does; nobody waits for it but containers
            with self._lock:
                for box in self._running():
                    try:
                        box.look()
                    except Exception:
                        logger.exception("container %s cannot be looked after", box.name)
                self._ending = [group for group in self._ending if not _is_gone(group)]
        shutil.rmtree(self._folder / "disks", ignore_errors=True)

    def _running(self) -> list[Box]:
        with self._lock:
            return [box for group in self._groups.values() for box in group.boxes]


def _is_gone(group: Group) -> bool:
    """Its processes have ended, by themselves or because their time is over."""
    assert group.end_at is not None
    running = [box for box in group.boxes if box.process is not None and box.process.poll() is None]
    if running and time.monotonic() < group.end_at:
        return False
    for box in group.boxes:
        box.remove()
    return True
