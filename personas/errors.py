"""The family of errors the product raises on purpose. Each message says what happened and what to do next."""


class FaceProjectError(Exception):
    """An anticipated failure: its message is written for the person who reads it."""


class TransientError(FaceProjectError):
    """Something that may work when tried again: a busy store, a broker that is away, a throttled service."""


class NotFoundError(FaceProjectError):
    """What was asked for by id does not exist (any more)."""


class UnableToLabelError(FaceProjectError):
    """A labelling command that cannot be carried out, as a whole or for the faces it names."""


class AmbiguousError(FaceProjectError):
    """A name that stands for more than one thing; `candidates` lists what it could mean."""

    def __init__(self, message: str, candidates: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.candidates = candidates
