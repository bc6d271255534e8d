"""Trying again when the store is busy: a batch of extracted pictures is too dear to lose to a moment's contention."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from personas.errors import TransientError
from personas.lease import LeaseLostError

logger = logging.getLogger(__name__)

T = TypeVar("T")
P = ParamSpec("P")

#: Seconds between attempts: about a minute in all, on top of the store's own time-outs.
PAUSES = (0.2, 1.0, 3.0, 10.0, 30.0)


def patiently(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The call, repeated while it raises TransientError; the last one is raised on. It must be safe to repeat.

    A lease that was lost does not come back: LeaseLostError is raised at once.
    """
    for pause in PAUSES:
        try:
            return call(*args, **kwargs)
        except LeaseLostError:
            raise
        except TransientError as error:
            logger.warning("the store is busy, trying again: %s", error)
            time.sleep(pause)
    return call(*args, **kwargs)
