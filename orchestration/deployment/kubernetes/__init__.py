"""The workloads as manifests for Kubernetes: a kustomize base, and an overlay for where the cluster is."""

from orchestration.deployment.kubernetes.layout import OVERLAYS, Overlay, image, render

__all__ = ["OVERLAYS", "Overlay", "image", "render"]
