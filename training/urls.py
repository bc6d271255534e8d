"""Model versions: what each is worth, and which one is in use."""

from django.urls import path

from training import views

urlpatterns = [
    path("models/", views.models, name="models"),
    path("models/compare/", views.compare, name="models-compare"),
    path("models/rollback/", views.roll_back, name="models-rollback"),
    path("models/<int:number>/", views.version, name="model-version"),
    path("models/<int:number>/promote/", views.promote_version, name="model-promote"),
]
