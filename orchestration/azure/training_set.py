"""The training set as a node: a folder of pictures with their sidecars, on the share, where `init` takes it in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.azure.catalogue.services import SHARE
from orchestration.azure.errors import StoppedError
from orchestration.azure.folder_digest import folder_digest
from orchestration.azure.image import CHECKOUT
from orchestration.azure.nodes import Change, Finding, Run
from orchestration.azure.secret_book import STORAGE_KEY
from orchestration.deployment.errors import DeploymentError
from orchestration.deployment.workloads import TRAINING
from personas.errors import FaceProjectError

if TYPE_CHECKING:
    from orchestration.azure.upload import Upload, UploadProgress

#: Its path below the share.
BELOW = TRAINING.rsplit("/", 1)[-1]


class TrainingSetError(DeploymentError):
    """Files of the training set did not reach the share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSet:
    """See nodes.Node. The fact `training` tells its `digest`."""

    folder: str
    key: str = "training"
    title: str = "training set on the share"
    needs: tuple[str, ...] = ("share",)
    keeps_data: bool = True

    def describe(self, run: Run) -> Finding:
        """See nodes.Node. What was uploaded is remembered by names and contents; the share is asked by `ensure`."""
        known = run.state.fact(self.key)
        if why := self.problem():
            run.facts.learn(self.key, known or None)  # what was uploaded stays as it is
            return Finding(change=Change.UPDATE if known else Change.CREATE, reasons=(why,))
        run.facts.learn(self.key, {"digest": self._digest(run)})
        if run.facts.find("share") is not None and known == self._uploaded(run):
            return Finding(change=Change.UNCHANGED)
        return Finding(change=Change.UPDATE if known else Change.CREATE, reasons=(f"from {self.folder}",))

    def ensure(self, run: Run) -> Finding:
        """See nodes.Node. Raises TrainingSetError when files could not be read or sent; the others are there."""
        finding = self.describe(run)
        if finding.change is Change.UNCHANGED:
            return finding
        from orchestration.azure.upload import upload_folder  # its package is the storage's

        if why := self.problem():
            raise TrainingSetError(why)
        target = self._target(run)
        try:
            done = upload_folder(self._path, target, progress=partial(_report, run), stopping=run.stopping)
        except (FaceProjectError, OSError) as error:
            raise TrainingSetError(f"The training set did not reach the share: {error}") from error
        if run.stopping.is_set():
            raise StoppedError(self.title)
        if done.failed:
            some = "\n".join(f"  {name}: {why}" for name, why in list(done.failed.items())[:10])
            raise TrainingSetError(
                f"{len(done.failed)} files of {self.folder} did not reach the share; the others are there:\n{some}\n"
                "Mend them and run the same command again: it sends what is missing."
            )
        run.state.put("facts", self.key, self._uploaded(run))
        return finding

    def delete(self, run: Run) -> bool:
        """It goes with the share."""
        run.state.drop("facts", self.key)
        self._memory(run).unlink(missing_ok=True)
        return False

    def _uploaded(self, run: Run) -> dict[str, Any]:
        """What is remembered of an upload: a share that was made again, or changed, is looked through again."""
        share = run.facts.of("share", "properties")
        return {"digest": run.facts.of(self.key, "digest"), "share": share.get("lastModifiedTime")}

    def problem(self) -> str:
        """Why nothing can be uploaded; "" where it can."""
        return "" if self._path.is_dir() else f'There is no folder {self._path}. Set `data` to one, or to "" for none.'

    @property
    def _path(self) -> Path:
        """The checkout's, where the description says no whole path."""
        return CHECKOUT / self.folder

    def _digest(self, run: Run) -> str:
        try:
            return folder_digest(self._path, self._memory(run))
        except OSError as error:
            raise TrainingSetError(
                f"{self._path} cannot be read ({error}). Check its permissions and the disk."
            ) from error

    @staticmethod
    def _memory(run: Run) -> Path:
        return run.state.path.with_suffix(".pictures")

    def _target(self, run: Run) -> Upload:
        from orchestration.azure.upload import Upload

        return Upload(
            account_url=str(run.facts.of("storage", "properties", "primaryEndpoints", "file")),
            share=SHARE,
            below=BELOW,
            account=str(run.facts.of("storage", "name")),
            key=run.secrets.value(STORAGE_KEY),
            ca_bundle=run.azure.ca_bundle,
        )


def _report(run: Run, now: UploadProgress) -> None:
    """Every tenth of the files is news enough."""
    done = now.files + now.skipped + now.failed
    if done % max(1, now.of_files // 10) == 0 or done == now.of_files:
        run.report("training", "uploading", f"{done} of {now.of_files} files")
