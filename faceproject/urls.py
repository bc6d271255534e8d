"""Every URL of the product. Each app owns its own pages."""

from django.contrib import admin
from django.urls import include, path

from faceproject.api import api

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/v1/", api.urls),
    path("", include("personas.urls")),
    path("", include("ingest.urls")),
    path("", include("training.urls")),
    path("", include("orchestration.urls")),
]

handler400 = "personas.views.errors.bad_request"
handler403 = "personas.views.errors.forbidden"
handler404 = "personas.views.errors.not_found"
handler500 = "personas.views.errors.broken"
