"""A person at the pages, without a browser: signs in, labels, rejects, uploads by the forms that the pages hold."""

from __future__ import annotations

import http.client
import http.cookiejar
import re
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

#: Seconds for one answer of a busy machine.
ANSWER_SECONDS = 120.0


class UnansweredError(Exception):
    """The web did not answer, or could not: whether it did what was asked is not known. Asking again is right."""


class RefusedError(Exception):
    """The web answered that it did not do it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    text: str
    url: str  #: after redirects


class Visitor:
    """Keeps its session. What changes something carries a command id: unanswered, it is sent again with the same."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self._cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._cookies))

    # ---- signing in --------------------------------------------------------------------------------------------------
    def follow(self, link: str) -> None:
        """Sign in by a one-time link."""
        self._signed_in(self.get(link.removeprefix(self.base_url)))

    def sign_in(self, user: str, password: str) -> None:
        self.get("/sign-in/")
        self._signed_in(self.post("/sign-in/", {"username": user, "password": password}))

    def _signed_in(self, answer: Answer) -> None:
        if answer.status != HTTPStatus.OK or "Sign out" not in answer.text:
            raise RefusedError(f"not signed in: {answer.status} at {answer.url}")

    # ---- doing -------------------------------------------------------------------------------------------------------
    def label(
        self,
        faces: Sequence[str],
        *,
        persona_id: str = "",
        name: str = "",
        verdict: str = "belongs",
        command_id: str | None = None,
    ) -> Answer:
        """Say who faces are ("belongs"), whom they are not ("rejected"), or take it back ("cleared").

        Raises UnansweredError, RefusedError.
        """
        fields = {"verdict": verdict, "persona_id": persona_id, "name": name, "command_id": command_id or _new_id()}
        return self._did(self.post("/labels/", {**fields, "faces": list(faces)}))

    def reject(self, faces: Sequence[str], *, persona_id: str, command_id: str | None = None) -> Answer:
        return self.label(faces, persona_id=persona_id, verdict="rejected", command_id=command_id)

    def upload(self, pictures: Sequence[Path]) -> str:
        """Send pictures as the upload page does; returns the id of the job."""
        files = [(picture.name, picture.read_bytes()) for picture in pictures]
        answer = self._did(self.post("/upload/", {}, files=files, headers={"HX-Request": "true"}))
        found = re.search(r"/jobs/([0-9a-f-]{36})/", answer.text)
        if found is None:
            raise RefusedError(f"no job in the answer: {answer.text[:500]}")
        return found[1]

    def _did(self, answer: Answer) -> Answer:
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise UnansweredError(f"{answer.status}: {_said(answer.text)}")
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise RefusedError(f"{answer.status}: {_said(answer.text)}")
        return answer

    # ---- HTTP --------------------------------------------------------------------------------------------------------
    def get(self, path: str) -> Answer:
        return self._open(urllib.request.Request(self.base_url + path))

    def post(
        self,
        path: str,
        fields: Mapping[str, str | Sequence[str]],
        *,
        files: Sequence[tuple[str, bytes]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """A form with the token of this session; `files` makes it multipart, all of them in the field "files"."""
        token = next((cookie.value or "" for cookie in self._cookies if cookie.name == "csrftoken"), "")
        sent = {**(headers or {}), "X-CSRFToken": token}
        if files:
            body, sent["Content-Type"] = _multipart(files)
        else:
            body = urllib.parse.urlencode(dict(fields), doseq=True).encode()
        return self._open(urllib.request.Request(self.base_url + path, data=body, headers=sent, method="POST"))

    def _open(self, request: urllib.request.Request) -> Answer:
        try:
            with self._opener.open(request, timeout=ANSWER_SECONDS) as answered:
                return Answer(status=answered.status, text=answered.read().decode(), url=answered.url)
        except urllib.error.HTTPError as error:
            return Answer(status=error.code, text=error.read().decode(errors="replace"), url=error.url)
        except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
            raise UnansweredError(f"{type(error).__name__}: {error}") from error


def _multipart(files: Sequence[tuple[str, bytes]]) -> tuple[bytes, str]:
    boundary = uuid.uuid4().hex
    parts = []
    for name, content in files:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
        parts += [head.encode(), content, b"\r\n"]
    return b"".join([*parts, f"--{boundary}--\r\n".encode()]), f"multipart/form-data; boundary={boundary}"


def _said(page: str) -> str:
    """The text of a page that tells of a failure."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())[-600:]


def _new_id() -> str:
    return str(uuid.uuid4())
