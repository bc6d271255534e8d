"""Bringing pictures in, and the work that makes of them."""

from django.urls import path

from ingest import views

urlpatterns = [
    path("upload/", views.upload, name="upload"),
    path("jobs/<str:job_id>/rejected.csv", views.rejected, name="job-rejected"),
]
