"""What is refused on the way in, and why: a path, a stable reason for scripts, a sentence for people.

Reasons of pictures that do not decode (`empty`, `truncated`, `not_a_picture`, …) are those of `ingest.vision.pictures`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from personas.errors import FaceProjectError

UNREADABLE: Final = "unreadable"
#: Reading failed, and not for want of permission: the file, its disk, or the whole source.
READ_FAILED: Final = "read_failed"
VANISHED: Final = "vanished"
LINK_OUT_OF_SOURCE: Final = "link_out_of_source"
BROKEN_LINK: Final = "broken_link"
DEVICE_OR_PIPE: Final = "device_or_pipe"
NOT_A_PICTURE: Final = "not_a_picture"
#: Of the web: what cannot be asked for, …
BAD_ADDRESS: Final = "bad_address"
FORBIDDEN_ADDRESS: Final = "forbidden_address"
DISALLOWED: Final = "disallowed_by_robots"
#: … what did not answer, …
UNREACHABLE: Final = "unreachable"
TIMED_OUT: Final = "timed_out"
TOO_MANY_REDIRECTS: Final = "too_many_redirects"
BUSY_SERVER: Final = "server_busy"
#: … and what answered with something else.
REFUSED_BY_SERVER: Final = "refused_by_server"
NO_PICTURES: Final = "no_pictures"
TOO_MANY_PICTURES: Final = "too_many_pictures"
TOO_MANY_BYTES: Final = "too_many_bytes"
#: Somebody erased it for good; it does not come back by itself.
ERASED: Final = "erased"
OUT_OF_MEMORY: Final = "out_of_memory"
FAILED_EXTRACTION: Final = "failed_extraction"
CRASHED_EXTRACTION: Final = "crashed_extraction"
SIDECAR_NOT_JSON: Final = "sidecar_not_json"
SIDECAR_WRONG_TYPE: Final = "sidecar_wrong_type"
SIDECAR_WITHOUT_PICTURE: Final = "sidecar_without_picture"
SIDECAR_OF_SEVERAL: Final = "sidecar_of_several_pictures"
SIDECAR_UNREADABLE: Final = "sidecar_unreadable"
SIDECAR_NO_SUCH_FACE: Final = "sidecar_no_such_face"
SIDECAR_OVERRULED: Final = "sidecar_overruled"
AMBIGUOUS: Final = "ambiguous"
AMBIGUOUS_PERSONA: Final = "ambiguous_persona"
DELETED_PERSONA: Final = "deleted_persona"


class RejectedError(FaceProjectError):
    """Something of a source that is not taken in; `reason` is one of this module's constants."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(reason, message)  # both in args, so that it survives pickling between processes
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A line of the summary: what was refused and why."""

    path: str
    reason: str
    message: str

    @classmethod
    def of(cls, path: str, error: RejectedError) -> Rejection:
        return cls(path=path, reason=error.reason, message=error.message)
