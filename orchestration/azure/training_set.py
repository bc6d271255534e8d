"""The training set as a node: a folder of pictures with their sidecars, on the share, where `init` takes it in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.azure.catalogue.services import SHARE
from orchestration.azure.errors import StoppedError
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
        """See nodes.Node. What was uploaded is remembered by names, sizes and times; the share is asked by `ensure`."""
        run.facts.learn(self.key, {"digest": self._digest()})
        known = run.state.fact(self.key)
        if run.facts.find("share") is not None and known == self._uploaded(run):
            return Finding(change=Change.UNCHANGED)
        return Finding(change=Change.UPDATE if known else Change.CREATE, reasons=(f"from {self.folder}",))

    def ensure(self, run: Run) -> Finding:
        """See nodes.Node. Raises TrainingSetError when files could not be read or sent; the others are there."""
        finding = self.describe(run)
        if finding.change is Change.UNCHANGED:
            return finding
        from orchestration.azure.upload import upload_folder  # its package is the storage's

        target = self._target(run)
        try:
            done = upload_folder(self._path(), target, progress=partial(_report, run), stopping=run.stopping)
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
        return False

    def _uploaded(self, run: Run) -> dict[str, Any]:
        """What is remembered of an upload: a share that was made again, or changed, is looked through again."""
        share = run.facts.of("share", "properties")
        return {"digest": run.facts.of(self.key, "digest"), "share": share.get("lastModifiedTime")}

    def _path(self) -> Path:
        path = Path(self.folder)
        if not path.is_dir():
            raise TrainingSetError(f'There is no folder {self.folder}. Set `data` to one, or to "" for none.')
        return path

    def _digest(self) -> str:
        found = sha256()
        for path in sorted(self._path().rglob("*")):
            if path.is_file():
                status = path.stat()
                found.update(f"{path.relative_to(self.folder)}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
        return found.hexdigest()

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
