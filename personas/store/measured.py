"""The store port, timed: each call's duration and errors by operation, whatever adapter answers."""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, cast

from personas import metrics
from personas.store.base import LabelStore, ModelStore, PictureStore, Store, WorkStore

#: Every method of the port that asks or tells the state something.
OPERATIONS: Final = tuple(
    sorted(
        name
        for part in (PictureStore, LabelStore, ModelStore, WorkStore)
        for name, member in vars(part).items()
        if inspect.isfunction(member) and not name.startswith("_")
    )
)


class MeasuredStore:
    """Has the port's methods, each one timed, and nothing else of the adapter."""

    def __init__(self, store: Store) -> None:
        self.layout = store.layout
        self.close = store.close
        for operation in OPERATIONS:
            setattr(self, operation, _measured(operation, getattr(store, operation)))


def measured(store: Store) -> Store:
    """The same store, measured."""
    return cast(Store, MeasuredStore(store))  # its methods are set one by one, which a type checker cannot see


def _measured(operation: str, method: Callable[..., Any]) -> Callable[..., Any]:
    def observe(seconds: float) -> None:  # what was never asked is not shown
        metrics.STORE_SECONDS.labels(operation).observe(seconds)

    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        try:
            result = method(*args, **kwargs)
        except Exception as error:
            metrics.STORE_ERRORS.labels(operation, type(error).__name__).inc()
            raise
        if isinstance(result, Iterator):  # nothing was asked yet
            return _streaming(operation, result, observe)
        observe(time.perf_counter() - began)
        return result

    return call


def _streaming(operation: str, items: Iterator[Any], observe: Callable[[float], None]) -> Iterator[Any]:
    """The items, with the time until the first one was there."""
    began = time.perf_counter()
    try:
        for number, item in enumerate(items):
            if number == 0:
                observe(time.perf_counter() - began)
            yield item
    except Exception as error:
        metrics.STORE_ERRORS.labels(operation, type(error).__name__).inc()
        raise
