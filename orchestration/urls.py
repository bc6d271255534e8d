"""How the installation is, and its first step."""

from django.urls import path

from orchestration import views

urlpatterns = [
    path("status/", views.status, name="status"),
    path("sample-data/", views.sample_data, name="sample-data"),
]
