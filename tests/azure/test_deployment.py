"""Plan, apply, change, scale, destroy: one deployment against the double."""

from __future__ import annotations

from orchestration.azure.nodes import Change
from tests.azure.conftest import Deploying
from tests.azure_double.double import AzureDouble


def test_from_nothing_to_everything_and_back(azure: AzureDouble, deploying: Deploying) -> None:
    before = deploying().plan()
    assert {step.finding.change for step in before.steps} <= {Change.CREATE, Change.UNKNOWN}
    assert before.problems == ()
    assert not [r for r in azure.requests if r.method in {"PUT", "DELETE", "PATCH"}]
    deploying().apply()
    assert azure.violations == []
    assert not {id_: n for id_, n in azure.creations.items() if n != 1}
    assert [str(s) for s in deploying().plan().changes] == []
    deploying().destroy()
    assert [r.id for r in azure.resources.all()] == []
    assert azure.violations == []
