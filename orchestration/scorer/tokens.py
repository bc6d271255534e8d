"""Who may ask: bearers of a token (RFC 6750). Without one nobody may, so without one the scorer does not start."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence

from django.conf import settings

from orchestration.home import SCORER_TOKEN, own_secret
from personas.errors import FaceProjectError

#: Shorter ones could be guessed.
MIN_CHARACTERS = 20


class NoTokenError(FaceProjectError):
    """The scorer has nothing to tell who may ask."""


def tokens_of_installation(*, announce: bool = False) -> tuple[str, ...]:
    """The tokens that the settings give, or embedded the one of this installation's own, made once.

    announce: print where that one is. Raises NoTokenError.
    """
    tokens = tuple(re.split(r"[\s,]+", settings.SCORER_TOKEN.strip())) if settings.SCORER_TOKEN.strip() else ()
    if not tokens and settings.EMBEDDED:
        try:
            tokens = (own_secret(settings.FACEPROJECT_HOME, SCORER_TOKEN),)
        except OSError as error:
            raise NoTokenError(
                f"The scorer's token cannot be kept in {settings.FACEPROJECT_HOME} ({error.strerror}). Set "
                "SCORER_TOKEN, or FACEPROJECT_HOME to a folder that you may write to."
            ) from error
        if announce:
            print(f"The scorer's token is in {settings.FACEPROJECT_HOME / SCORER_TOKEN}", flush=True)  # noqa: T201
    if not tokens:
        raise NoTokenError(
            "The scorer answers only those who bear a token, and has none. Set SCORER_TOKEN, or SCORER_TOKEN_FILE to a "
            "file that holds it."
        )
    if any(len(token) < MIN_CHARACTERS for token in tokens):
        raise NoTokenError(
            f"A token of the scorer has fewer than {MIN_CHARACTERS} characters. Make one that cannot be guessed: "
            '`python -c "import secrets; print(secrets.token_urlsafe(32))"`.'
        )
    return tokens


def is_known(given: str, tokens: Sequence[str]) -> bool:
    """Whether `given` is one of the tokens; takes the same time whichever it is and however much of it is right."""
    digest = _digest(given)
    matches = [hmac.compare_digest(digest, _digest(token)) for token in tokens]
    return any(matches)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
