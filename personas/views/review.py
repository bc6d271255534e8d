"""The review queue: one question after the other, answered by the form that labels faces anywhere."""

from __future__ import annotations

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from personas.entities import IGNORED, NOT_A_FACE, STRANGER, FaceKey
from personas.forms import SkipForm, cleaned
from personas.permissions import can_label, require
from personas.selectors.learning import learning_state
from personas.selectors.review import MANY, count_questions, short_key
from personas.selectors.review import review as next_questions
from personas.store import get_store
from personas.views.http import PageRequest, page, see_other, wants_partial

#: Questions sent ahead: the browser asks for more while it shows these.
AHEAD = 12
#: The faces that somebody skipped, in a signed cookie that ends with the browser's session.
SKIPPED_COOKIE = "review-skipped"
#: Skipped faces remembered; a cookie holds four kilobytes.
MAX_SKIPPED = 180
SEPARATOR = "_"
#: Answers where nobody is meant: id, words, icon, key.
NOBODY_ANSWERS = (
    (STRANGER, "Stranger", "stranger", "t"),
    (IGNORED, "Ignore", "eye", "i"),
    (NOT_A_FACE, "Not a face", "cross", "f"),
)


@require_safe
@require(can_label)
def review(request: PageRequest) -> HttpResponse:
    """The next question; to the page's script, the next few."""
    partial = wants_partial(request)
    store = get_store()
    learning = learning_state(store)  # before the questions: of a version that comes in between, the page learns later
    found = next_questions(store, skipped=_skipped(request), limit=AHEAD if partial else 1)
    context = {
        "learning": learning,
        "questions": found.questions,
        "n_open": _many(found.n_open),
        "n_skipped": len(_skipped(request)),
        "nobody": NOBODY_ANSWERS,
        "here": reverse("review"),
        "no_faces": not found.questions and not store.count_images()["faces_total"],
    }
    return page(request, "review/_questions.html" if partial else "review/review.html", context)


@require_safe
@require(can_label)
def count(request: PageRequest) -> HttpResponse:
    """How many questions there are, for the navigation; asked for after the page is there."""
    n_open = count_questions(get_store(), skipped=_skipped(request))
    return render(request, "review/_count.html", {"n_open": _many(n_open)})


@require_POST
@require(can_label)
def skip(request: PageRequest) -> HttpResponseBase:
    """Leave a face for later: it is not asked about again in this session of the browser."""
    face: FaceKey = cleaned(SkipForm(request.POST))["face"]
    skipped = [short_key(face), *(one for one in _skipped(request) if one != short_key(face))]
    response: HttpResponseBase = HttpResponse(status=204) if request.htmx else see_other(reverse("review"))
    response.set_signed_cookie(
        SKIPPED_COOKIE,
        SEPARATOR.join(skipped[:MAX_SKIPPED]),
        salt=_salt(request),
        path=reverse("review"),
        secure=request.is_secure(),
        httponly=True,
        samesite="Lax",
    )
    return response


def _skipped(request: PageRequest) -> list[str]:
    value = request.get_signed_cookie(SKIPPED_COOKIE, default="", salt=_salt(request))
    return value.split(SEPARATOR) if value else []


def _salt(request: PageRequest) -> str:
    """What one user skipped is nothing to the next one at the same browser."""
    return f"review of {request.user.pk}"


def _many(n_open: int) -> str:
    return f"{MANY}+" if n_open > MANY else str(n_open)
