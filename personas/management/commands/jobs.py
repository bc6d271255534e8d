"""Background work: list it, look at one job, pause, resume, retry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone
from rich.box import SIMPLE_HEAD
from rich.table import Table

from personas.entities import Job
from personas.management.product_command import ProductCommand
from personas.words import duration

ACTOR = "command"


class Command(ProductCommand):
    help = "List background jobs, newest first; `jobs show`, `pause`, `resume` or `retry` one of them."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "action",
            nargs="?",
            choices=("list", "show", "pause", "resume", "retry"),
            default="list",
            help="what to do (default: list); pause stops between two parts, retry does failed parts once more",
        )
        parser.add_argument("job", nargs="?", metavar="ID", help="the job's id, or how it begins")
        parser.add_argument("--limit", type=int, default=20, help="jobs to list (default: 20)")

    def run(self, *, progress: bool, **options: Any) -> Mapping[str, Any]:
        from personas.selectors.jobs import failed_shares, find_job, list_jobs, view_of
        from personas.services.jobs import pause_job, resume_job, retry_failed
        from personas.store import get_store

        store = get_store()
        if options["action"] == "list":
            return {"jobs": [view.as_json() for view in list_jobs(store, limit=max(options["limit"], 1)).items]}
        if not options["job"]:
            self.print_help("manage.py", "jobs")
            return {"exit_code": 2}
        job = find_job(store, options["job"])
        steer: dict[str, Callable[..., Job]] = {"pause": pause_job, "resume": resume_job, "retry": retry_failed}
        if options["action"] in steer:
            job = steer[options["action"]](store=store, job_id=job.job_id, actor=ACTOR, at=timezone.now())
        failed = [{"number": each.number, "message": each.message} for each in failed_shares(store, job)]
        return {**view_of(job).as_json(), "failed": failed, "action": options["action"]}

    def show(self, result: Mapping[str, Any]) -> None:
        if "jobs" in result:
            self._list(result["jobs"])
        elif result.get("action") == "show":
            self._one(result)
        elif "action" in result:
            said = {"pause": "pauses", "resume": "goes on", "retry": "tries again what failed"}
            self.stdout.write(f"Job {result['job_id']} {said[result['action']]}.")

    def _list(self, jobs: list[Mapping[str, Any]]) -> None:
        if not jobs:
            self.stdout.write("There are no jobs yet; `manage.py ingest FOLDER --queue` or an upload makes one.")
            return
        table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False)
        for column in ("job", "kind", "status", "done", "left", "begun"):
            table.add_column(column, no_wrap=True)
        table.add_column("message")
        for job in jobs:
            table.add_row(
                job["job_id"][:8],
                job["kind"],
                "pausing" if job["wish"] == "pause" and job["status"] != "paused" else job["status"],
                f"{job['done']:,}/{job['total']:,}" if job["total"] else "",
                duration(job["seconds_left"]),
                job["created_at"][5:16].replace("T", " "),
                job["message"],
            )
        self.print_rich(table)

    def _one(self, job: Mapping[str, Any]) -> None:
        write = self.stdout.write
        write(f"{job['kind']} {job['job_id']}: {job['status']}")
        write(job["message"])
        if job["total"]:
            rate = f", {job['per_second']:.1f} a second" if job["per_second"] else ""
            left = f", about {duration(job['seconds_left'])} left" if job["seconds_left"] else ""
            write(f"{job['done']:,} of {job['total']:,} done{rate}{left}")
        for name, value in job["detail"].items():
            if name != "rejected" and value not in ("", None, {}, 0, False):
                write(f"  {name}: {value}")
        for each in job["detail"].get("rejected", ()):
            write(f"  rejected {each['path']}: {each['message']}")
        for share in job["failed"]:
            write(self.style.WARNING(f"  part {share['number']} failed: {share['message']}"))
        if "retry" in job["actions"]:
            write(f"`manage.py jobs retry {job['job_id'][:8]}` does it once more.")
