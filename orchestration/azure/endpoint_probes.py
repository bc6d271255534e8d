"""Requests of our own to an online endpoint: does the scorer behind it answer, with the right version, soon enough?

What is sent is an embedding of nobody (a fixed unit vector), so no picture and no face leaves the installation.
"""

from __future__ import annotations

import json
import math
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from http.client import HTTPException
from statistics import median
from typing import Any, Final, Protocol

from orchestration.azure.machine_learning import Lane, Seen
from orchestration.azure.machine_learning_bodies import Release

#: Asks for one deployment, whatever the traffic says; answers name the deployment they come from by it too.
DEPLOYMENT_HEADER: Final = "azureml-model-deployment"
#: For the scorer behind the endpoint, which keeps `Authorization` for itself.
SCORER_HEADER: Final = "X-Scorer-Token"
#: Numbers of an embedding.
LENGTH: Final = 128
#: A request that takes longer counts as failed, in seconds.
TIMEOUT_SECONDS: Final = 10.0
#: Of the answers of a watch, at most, may be errors; and half of them come within so many seconds.
MAX_ERRORS, MAX_MEDIAN_SECONDS = 0.05, 2.0


class Watch(Protocol):
    """Looks whether a version does well. Returns what is wrong, for people; "" when nothing is."""

    def smoke(self, seen: Seen, lane: Lane, release: Release) -> str:
        """Asked directly, before it gets any traffic."""

    def watch(self, seen: Seen, lane: Lane, release: Release) -> str:
        """Asked directly and through the endpoint, for a while."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One answer. problem: "" when it is one. deployment: that it came from, "" when unsaid."""

    problem: str
    seconds: float
    deployment: str = ""
    version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointWatch:
    """Watches by sending requests."""

    key: Callable[[], str]  #: of the endpoint
    scorer_token: str = field(repr=False)
    ca_bundle: str = ""
    n_smoke: int = 3
    n_watch: int = 20  #: requests of each kind
    pause_seconds: float = 1.5  #: between two of a watch
    max_median_seconds: float = MAX_MEDIAN_SECONDS

    def smoke(self, seen: Seen, lane: Lane, release: Release) -> str:
        """See Watch. Every answer counts."""
        key = self.key()
        answers = [self._ask(seen.scoring_uri, key, release, lane.colour) for _ in range(self.n_smoke)]
        return self._judged(answers, release, allowed=0)

    def watch(self, seen: Seen, lane: Lane, release: Release) -> str:
        """See Watch. Through the endpoint, only what this deployment answered counts, unless it has all the traffic."""
        key, answers = self.key(), []
        for _ in range(self.n_watch):
            answers.append(self._ask(seen.scoring_uri, key, release, lane.colour))
            through = self._ask(seen.scoring_uri, key, release, "")
            if lane.share == 100 or through.deployment == lane.colour:
                answers.append(through)
            time.sleep(self.pause_seconds)
        return self._judged(answers, release, allowed=math.floor(len(answers) * MAX_ERRORS))

    def _judged(self, answers: list[Answered], release: Release, *, allowed: int) -> str:
        errors = [each.problem for each in answers if each.problem]
        if len(errors) > allowed:
            return f"{len(errors)} of {len(answers)} requests failed ({errors[-1]})"
        for each in answers:
            if not each.problem and each.version != release.version:
                return f"version {each.version} answered in place of {release.version}"
        half = median(each.seconds for each in answers)
        if half > self.max_median_seconds:
            return f"half of the answers took longer than {half:.1f} s, the limit is {self.max_median_seconds:g} s"
        return ""

    def _ask(self, uri: str, key: str, release: Release, colour: str) -> Answered:
        headers = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {key}",
            SCORER_HEADER: self.scorer_token,
            **({DEPLOYMENT_HEADER: colour} if colour else {}),
        }
        nobody = [1 / math.sqrt(LENGTH)] * LENGTH
        said = json.dumps({"embedding": nobody, "embedder": release.embedder, "top_k": 1}).encode()
        request = urllib.request.Request(uri, said, headers)  # noqa: S310 - Azure named it, and https is required below
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=_trusting(self.ca_bundle)))
        began = time.monotonic()
        if not uri.startswith("https://"):
            return Answered(problem="the endpoint's address is not https", seconds=0.0)
        try:
            with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                content: Any = json.loads(answer.read())
                deployment = answer.headers.get(DEPLOYMENT_HEADER, "")
                version = content["version"]
        except urllib.error.HTTPError as error:
            deployment = error.headers.get(DEPLOYMENT_HEADER, "")
            error.close()
            return Answered(problem=f"HTTP {error.code}", seconds=time.monotonic() - began, deployment=deployment)
        except (OSError, HTTPException) as error:
            return Answered(problem=type(error).__name__, seconds=time.monotonic() - began)
        except (ValueError, KeyError, TypeError):
            return Answered(problem="an answer that is none of the scorer's", seconds=time.monotonic() - began)
        return Answered(problem="", seconds=time.monotonic() - began, deployment=deployment, version=version)


@cache
def _trusting(bundle: str) -> ssl.SSLContext:
    """The authorities in this file; "": the system's."""
    return ssl.create_default_context(cafile=bundle or None)
