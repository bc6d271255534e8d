"""Whoever uses the installation while it is being killed: does the rounds, and does again what was not answered."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence

from personas.services.personas import persona_id_of_name
from tests import processes
from tests.installation import REPOSITORY, CommandFailedError, Installation, UnansweredQuestionError
from tests.kill.scenario import PEOPLE, Round, Said
from tests.visitor import RefusedError, UnansweredError, Visitor

#: Seconds for any one thing to be answered at last, with everything being killed around it.
PATIENCE_SECONDS = 600.0
#: Between two tries, and between two labels: a person is no faster, and meanwhile the first ones are being learnt.
PAUSE_SECONDS = 0.3
#: How much of a run is one label, for choosing moments: taking a folder in takes longer.
LABEL, UPLOAD, INGEST, REST = 1, 3, 6, 6
#: A command that was carried out long before is answered so when it is sent again.
SENT_BEFORE = "This was sent before"
#: Exit code of `ingest` when it rejected something.
SOME_REJECTED = 3


class Client(threading.Thread):
    """Does the rounds in a thread; `failure` is what it could not get over. `queued`: by the ingest-workers."""

    def __init__(self, installation: Installation, rounds: Sequence[Round], *, queued: bool) -> None:
        super().__init__(name="client", daemon=True)
        self.installation = installation
        self.rounds = rounds
        self.queued = queued
        self.failure: BaseException | None = None
        self.repeated = 0  #: tries that were not answered
        self.doing = "nothing yet"
        self.begun = 0  #: of `length`: what was begun before what it is doing now
        self.length = REST + sum(INGEST + UPLOAD + LABEL * len(each.said) for each in rounds)
        self._visitor: Visitor | None = None
        self._command: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        try:
            for each in self.rounds:
                self._do(each)
            self.begun, self.doing = self.length, "all done"
        except BaseException as error:  # noqa: BLE001  the harness raises it in its own thread
            self.failure = error

    def kill_command(self) -> bool:
        """kill -9 of the `ingest` command, if one runs just now; it is given again."""
        command = self._command
        if command is None or command.poll() is not None:
            return False
        processes.signal_group(command, processes.signal.SIGKILL)
        return True

    def _do(self, each: Round) -> None:
        name = each.folder.parent.name
        self._until_answered(f"{name}: ingest", lambda: self._ingest(each))
        self.begun += INGEST
        self._until_answered(f"{name}: upload", lambda: self._sign_in().upload(each.uploads))
        self.begun += UPLOAD
        people = {persona_id_of_name(person) for person in PEOPLE.values()}
        self._until(f"{name}: the sidecars' people are known", lambda: people <= set(self._ask("personas").values()))
        wanted = {said.picture for said in each.said}
        self._until(f"{name}: the pictures are in", lambda: len(self._faces(wanted)) == len(wanted))
        faces = self._faces(wanted)
        for said in each.said:
            self._until_answered(f"{name}: {said.verdict} {said.picture}", lambda said=said: self._say(said, faces))
            self.begun += LABEL
            time.sleep(PAUSE_SECONDS)

    # ---- what it does ------------------------------------------------------------------------------------------------
    def _ingest(self, each: Round) -> None:
        arguments = ["ingest", str(each.folder), "--json", *(["--queue"] if self.queued else [])]
        said = self.installation.home.with_name("ingest.log")
        with said.open("ab") as log:
            self._command = subprocess.Popen(
                [sys.executable, "manage.py", *arguments],
                cwd=REPOSITORY,
                env=self.installation.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            code = self._command.wait(PATIENCE_SECONDS)
        if code not in (0, SOME_REJECTED):
            raise UnansweredError(f"ingest ended with {code}:\n{processes.last_lines(said)}")

    def _sign_in(self) -> Visitor:
        if self._visitor is None:
            try:
                self._visitor = self.installation.visitor()
            except (CommandFailedError, json.JSONDecodeError, RefusedError) as error:
                raise UnansweredError(str(error)) from error
        return self._visitor

    def _say(self, said: Said, faces: dict[str, list[str]]) -> None:
        try:
            self._sign_in().label(
                faces[said.picture][:1],
                persona_id=said.persona_id,
                name=said.name,
                verdict=said.verdict,
                command_id=said.command_id,
            )
        except RefusedError as error:
            if SENT_BEFORE not in str(error):
                raise

    def _faces(self, names: set[str]) -> dict[str, list[str]]:
        """Of the pictures that are in and have faces."""
        found: dict[str, list[str]] = self._ask("faces", names=sorted(names))
        return {name: keys for name, keys in found.items() if keys}

    def _ask(self, question: str, **of: object) -> dict[str, object]:
        answer: dict[str, object] = self.installation.ask(question, **of)
        return answer

    # ---- patience ----------------------------------------------------------------------------------------------------
    def _until_answered(self, what: str, act: Callable[[], object]) -> None:
        self.doing = what
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                act()
                return
            except (UnansweredError, UnansweredQuestionError):
                self.repeated += 1
                if time.monotonic() > deadline:
                    raise
                time.sleep(PAUSE_SECONDS)

    def _until(self, what: str, condition: Callable[[], bool]) -> None:
        self.doing = what
        self.installation.wait_until(condition, what, seconds=PATIENCE_SECONDS)
