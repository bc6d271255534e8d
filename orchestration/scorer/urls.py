"""The scorer's own addresses; no page of the product is among them."""

from __future__ import annotations

from django.urls import path

from orchestration.scorer import views

urlpatterns = [
    path("v1/score", views.score),
    path("v1/model", views.model),
    path("v1/openapi.json", views.openapi),
    path("healthz", views.healthz),
    path("readyz", views.readyz),
]
handler400 = "orchestration.scorer.views.bad_request"
handler404 = "orchestration.scorer.views.not_found"
handler500 = "orchestration.scorer.views.broken"
