"""What Azure keeps of what was deleted: a vault and a Face account hold their names until they are purged.

Only what this deployment made is purged: it lay in its resource group and bears its tag.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from orchestration.azure.errors import NOT_REGISTERED, RefusedError
from orchestration.azure.nodes import OURS_TAG, Node, Run
from orchestration.azure.resource import Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """A resource that was deleted. key: of the node that it was; id: that it had; location: where it was."""

    key: str
    id: str
    location: str

    @property
    def name(self) -> str:
        """Still taken."""
        return self.id.rsplit("/", 1)[-1]

    @property
    def title(self) -> str:
        """For people."""
        return f"deleted {_KINDS[self.key].title} {self.name}, for good"

    def purge(self, run: Run) -> None:
        """Take it away for good, and wait. Raises RefusedError."""
        run.report(self.key, "purging")
        _KINDS[self.key].purge(run, self)


def remains(run: Run, nodes: Iterable[Node]) -> tuple[Remains, ...]:
    """Of nodes that are not there (`run.facts` knows). Raises RefusedError."""
    missing = [node for node in nodes if isinstance(node, Resource) and run.facts.find(node.key) is None]
    return tuple(kept for node in missing if (kept := remains_of(run, node.key, node.id)) is not None)


def remains_of(run: Run, key: str, resource_id: str) -> Remains | None:
    """Of the resource that had this id; None where Azure keeps nothing. Raises RefusedError."""
    if key not in _KINDS:
        return None
    try:
        deleted = list(_KINDS[key].deleted(run))
    except RefusedError as error:
        if error.code in NOT_REGISTERED:
            return None
        raise
    ours = (each for each, tags in deleted if tags.get(OURS_TAG) == run.description.name)
    return next((each for each in ours if each.id.lower() == resource_id.lower()), None)


def _deleted_vaults(run: Run) -> Iterator[tuple[Remains, Mapping[str, str]]]:
    from azure.mgmt.keyvault import KeyVaultManagementClient

    vaults = run.azure.client(KeyVaultManagementClient).vaults
    for each in run.azure.ask(lambda: list(vaults.list_deleted()), "to list deleted vaults"):
        if (said := each.properties) is not None:
            yield Remains(key="vault", id=str(said.vault_id), location=str(said.location)), said.tags or {}


def _purge_vault(run: Run, kept: Remains) -> None:
    from azure.mgmt.keyvault import KeyVaultManagementClient

    vaults = run.azure.client(KeyVaultManagementClient).vaults
    what = f"to purge {kept.name}"
    poller = run.azure.ask(lambda: vaults.begin_purge_deleted(kept.name, kept.location), what, patient=True)
    run.azure.finished(poller, what)


def _deleted_accounts(run: Run) -> Iterator[tuple[Remains, Mapping[str, str]]]:
    """Their ids are `…/locations/LOCATION/resourceGroups/GROUP/deletedAccounts/NAME`."""
    from azure.mgmt.cognitiveservices import CognitiveServicesManagementClient

    accounts = run.azure.client(CognitiveServicesManagementClient).deleted_accounts
    for each in run.azure.ask(lambda: list(accounts.list()), "to list deleted accounts"):
        before, _, name = str(each.id).rpartition("/deletedAccounts/")
        location, group = before.split("/")[-3::2]
        had = f"/subscriptions/{run.azure.subscription}/resourceGroups/{group}/providers/{_ACCOUNTS}/{name}"
        yield Remains(key="face", id=had, location=location), each.tags or {}


def _purge_account(run: Run, kept: Remains) -> None:
    from azure.mgmt.cognitiveservices import CognitiveServicesManagementClient

    accounts = run.azure.client(CognitiveServicesManagementClient).deleted_accounts
    group, what = kept.id.split("/")[4], f"to purge {kept.name}"
    poller = run.azure.ask(lambda: accounts.begin_purge(kept.location, group, kept.name), what, patient=True)
    run.azure.finished(poller, what)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """title: for people; deleted: all of the subscription, with their tags; purge: one."""

    title: str
    deleted: Callable[[Run], Iterator[tuple[Remains, Mapping[str, str]]]]
    purge: Callable[[Run, Remains], None]


_ACCOUNTS: Final = "Microsoft.CognitiveServices/accounts"
#: By the key of the node.
_KINDS: Final = {
    "vault": _Kind(title="Key Vault", deleted=_deleted_vaults, purge=_purge_vault),
    "face": _Kind(title="Face account", deleted=_deleted_accounts, purge=_purge_account),
}
