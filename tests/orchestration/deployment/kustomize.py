"""Resolves an overlay as `kubectl kustomize` does, as far as ours go: resources, and patches of mappings.

A patch of mappings that replaces lists whole is the same by strategic merge and by RFC 7386, but for lists that
Kubernetes merges by a key: those are refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]
#: Lists in our patches; Kubernetes replaces them whole (x-kubernetes-list-type: atomic).
ATOMIC = {"accessModes"}


def resolve(folder: Path) -> list[Manifest]:
    """All manifests that applying the folder would send."""
    said = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert set(said) <= {"apiVersion", "kind", "namespace", "resources", "patches"}
    found: list[Manifest] = []
    for name in said["resources"]:
        path = folder / name
        found += resolve(path) if path.is_dir() else documents(path)
    for entry in said.get("patches", ()):
        (patch,) = documents(folder / entry["path"])
        (target,) = [manifest for manifest in found if key(manifest) == key(patch)]
        merge(target, patch)
    for manifest in found:
        if manifest["kind"] != "Namespace":
            manifest["metadata"]["namespace"] = said["namespace"]
    return found


def documents(path: Path) -> list[Manifest]:
    return list(yaml.safe_load_all(path.read_text()))


def key(manifest: Manifest) -> tuple[str, str, str]:
    return manifest["apiVersion"], manifest["kind"], manifest["metadata"]["name"]


def merge(target: Manifest, patch: Manifest) -> None:
    for name, value in patch.items():
        if isinstance(value, dict):
            merge(target.setdefault(name, {}), value)
        else:
            assert not isinstance(value, list) or name in ATOMIC, name
            target[name] = value
