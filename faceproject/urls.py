"""Every URL of the product. Each app owns its own pages."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("personas.urls")),
    path("", include("ingest.urls")),
    path("", include("training.urls")),
]
