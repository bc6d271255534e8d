"""Nodes that are no resources: secrets in the vault, the image in the registry, the training set on the share."""

from __future__ import annotations

from dataclasses import dataclass

from orchestration.azure.errors import RefusedError
from orchestration.azure.nodes import Change, Finding, Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """Passwords and keys that are made once."""

    key: str = "secrets"
    title: str = "secrets in the Key Vault"
    needs: tuple[str, ...] = ("vault",)
    keeps_data: bool = True

    def describe(self, run: Run) -> Finding:
        """See nodes.Node."""
        if run.facts.find("vault") is None:
            return Finding(change=Change.CREATE)
        try:
            missing = run.secrets.missing()
        except RefusedError as error:
            return Finding(change=Change.UNKNOWN, reasons=(f"the vault does not say ({error.code})",))
        return Finding(change=Change.CREATE, reasons=(", ".join(missing),)) if missing else _SAME

    def ensure(self, run: Run) -> Finding:
        """See nodes.Node."""
        missing = run.secrets.missing()
        for name in missing:
            run.report(self.key, "creating", name)
            run.secrets.make(name)
        return Finding(change=Change.CREATE, reasons=(", ".join(missing),)) if missing else _SAME

    def delete(self, run: Run) -> bool:
        """They go with the vault."""
        return False


_SAME = Finding(change=Change.UNCHANGED)
