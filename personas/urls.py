"""People, pictures and faces; signing in; health."""

from django.contrib.auth.views import LogoutView
from django.urls import path, register_converter
from django.urls.converters import StringConverter

from personas.views import (
    account,
    bulk,
    curation,
    deleted,
    health,
    history,
    jobs,
    labelling,
    learning,
    people,
    pictures,
    review,
    tokens,
    unknown,
)


class Sha256Converter(StringConverter):
    regex = "[0-9a-f]{64}"


register_converter(Sha256Converter, "sha256")

urlpatterns = [
    path("", people.grid, name="persona-grid"),
    path("personas/", people.add, name="persona-add"),
    path("personas/names/", people.names, name="persona-names"),
    path("personas/matches/", people.matches, name="persona-matches"),
    path("personas/<str:persona_id>/", people.persona, name="persona"),
    path("personas/<str:persona_id>/rename/", people.rename, name="persona-rename"),
    path("personas/<str:persona_id>/cover/", people.cover, name="persona-cover"),
    path("personas/<str:persona_id>/hide/", curation.hide, name="persona-hide"),
    path("personas/<str:persona_id>/merge/", curation.merge, name="persona-merge"),
    path("personas/<str:persona_id>/delete/", curation.delete, name="persona-delete"),
    path("personas/<str:persona_id>/confirm/", bulk.confirm, name="persona-confirm"),
    path("review/", review.review, name="review"),
    path("review/count/", review.count, name="review-count"),
    path("review/skip/", review.skip, name="review-skip"),
    path("unknown/", unknown.unknown, name="unknown"),
    path("unknown/groups/", unknown.groups, name="unknown-groups"),
    path("unknown/grouping/", unknown.grouping, name="grouping"),
    path("unknown/group/", unknown.group_again, name="group-again"),
    path("unknown/<str:group_id>/", unknown.group, name="unknown-group"),
    path("strangers/", unknown.set_aside, {"kind": "strangers"}, name="strangers"),
    path("ignored/", unknown.set_aside, {"kind": "ignored"}, name="ignored"),
    path("not-faces/", unknown.set_aside, {"kind": "not-faces"}, name="not-faces"),
    path("images/", pictures.browse, name="images"),
    path("images/deleted/", deleted.deleted, name="images-deleted"),
    path("images/deleted/<sha256:image_id>/erase/", deleted.erase, name="image-erase"),
    path("images/deleted/<sha256:image_id>/preview.jpg", deleted.preview, name="deleted-preview"),
    path("images/<sha256:image_id>/", pictures.image, name="image"),
    path("images/<sha256:image_id>/delete/", curation.delete_image, name="image-delete"),
    path("images/<sha256:image_id>/original", pictures.original, name="image-original"),
    path("images/<sha256:image_id>/preview-<int:size>.jpg", pictures.preview, name="image-preview"),
    path("faces/<sha256:image_id>/<int:face_no>/<int:size>.jpg", pictures.face_crop, name="face-crop"),
    path("faces/<sha256:image_id>/<int:face_no>/why/", pictures.why, name="face-why"),
    path("labels/", labelling.label, name="label"),
    path("history/", history.history, name="history"),
    path("undo/", history.undo, name="undo"),
    path("learning/", learning.learning, name="learning"),
    path("jobs/", jobs.jobs, name="jobs"),
    path("jobs/<str:job_id>/", jobs.job, name="job"),
    path("jobs/<str:job_id>/<str:action>/", jobs.steer, name="job-steer"),
    path("sign-in/", account.SignIn.as_view(), name="sign-in"),
    path("sign-in/<str:token>", account.one_time, name="sign-in-link"),
    path("password/", account.ChangePassword.as_view(), name="password"),
    path("account/tokens/", tokens.tokens, name="api-tokens"),
    path("account/tokens/<int:token_id>/revoke/", tokens.revoke, name="api-token-revoke"),
    path("sign-out/", LogoutView.as_view(), name="sign-out"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]
