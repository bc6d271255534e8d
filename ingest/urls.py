"""Bringing pictures in, and the work that makes of them."""

from django.urls import path

import personas.urls  # noqa: F401 - registers the converter sha256
from ingest import find_views, views

urlpatterns = [
    path("images/<sha256:image_id>/faces/", views.draw, name="face-draw"),
    path("find/", find_views.find, name="find"),
    path("upload/", views.upload, name="upload"),
    path("upload/web/", views.fetch, name="ingest-web"),
    path("upload/folder/", views.read_folder, name="ingest-folder"),
    path("upload/<str:job_id>/again/", views.read_again, name="ingest-again"),
    path("jobs/<str:job_id>/rejected.csv", views.rejected, name="job-rejected"),
]
