"""What Azure refuses, told as what happened and what to do next. No answer of Azure's is repeated with a secret in it:
error bodies name resources and rules, never keys."""

from __future__ import annotations

from typing import Any, Final

from orchestration.deployment.errors import DeploymentError

#: What to do about an error code. https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors
ADVICE: Final = {
    "AuthorizationFailed": "You need the role Owner (or Contributor and User Access Administrator) on the subscription "
    "or the resource group; ask whoever administers it.",
    "InvalidAuthenticationToken": "Sign in again: az login.",
    "ExpiredAuthenticationToken": "Sign in again: az login.",
    "SubscriptionNotFound": "Set `subscription` to one that `az account list` shows, in the cloud that `cloud` names.",
    "MissingSubscriptionRegistration": "Run provision again: it registers the provider, which may take minutes.",
    "NameAlreadyTaken": "Somebody else has this name. Say another one under [names].",
    "StorageAccountAlreadyTaken": "Somebody else has this name. Say another one under [names], key storage.",
    "VaultAlreadyExists": "Somebody else has this name, or a deleted vault keeps it. Say another one under [names], "
    "key vault.",
    "CustomDomainInUse": "Somebody else has this name, or a deleted account keeps it. Say another one under [names], "
    "key face.",
    "DnsRecordInUse": "Somebody else has this web name. Say another one under [names], key web.",
    "FlagMustBeSetForRestore": "A deleted account of this name waits to be purged. Run provision again with "
    "--purge-deleted, or say another name under [names].",
    "QuotaExceeded": "Ask for more quota, choose another location, or lower `scale` and `size`.",
    "ContainerGroupQuotaReached": "Ask for more quota, choose another location, or lower `scale`.",
    "InsufficientQuota": "Ask for more quota, choose another location, or lower `scale` and `size`.",
    "SkuNotAvailable": "Choose another SKU under [sku], or another location.",
    "LocationNotAvailableForResourceType": "Choose another location.",
    "TasksOperationsNotAllowed": "This subscription may not build in its registry (free credit has no ACR Tasks): "
    "use --build local, or --image REFERENCE.",
    "InaccessibleImage": "The image cannot be pulled: check the reference, and that the registry lets the groups in.",
    "SubnetIsInUse": "Something else than this deployment uses the subnet; remove it first.",
    "InUseSubnetCannotBeDeleted": "Something still uses the subnet; run destroy again in some minutes.",
    "SpecialFeatureOrQuotaIdRequired": "The subscription has no access to this Face feature: "
    'apply at https://aka.ms/facerecognition, or set detector = "embedded".',
    "ResourceGroupBeingDeleted": "An earlier destroy is still at it; run provision again in some minutes.",
}
#: The subscription never used this provider: there is nothing of it, and `provision --apply` registers it.
NOT_REGISTERED: Final = frozenset({"MissingSubscriptionRegistration", "NoRegisteredProviderFound"})
#: Worth another try by themselves: something else is at the same resource, or has not reached every server yet.
PASSING: Final = frozenset(
    {
        *("AnotherOperationInProgress", "OperationNotAllowedOnResourceInTransition", "ConflictingConcurrentWrite"),
        "PreconditionFailed",  # of Cosmos DB, whose account takes one operation at a time; no condition is ever sent
        *("RetryableError", "ServerIsBusy", "PrincipalNotFound", "ResourceBusy", "InternalServerError", "Conflict"),
        *("AccountProvisioningStateInvalid", "ReferencedResourceNotProvisioned", "ContainerGroupTransitioning"),
    }
)
#: HTTP statuses of a server that has no time to answer, and the least of those that say it has failed to.
_BUSY: Final = frozenset({408, 429})
_SERVER_ERRORS: Final = 500


def passes(code: str) -> bool:
    """Whether what an error code tells of passes by itself."""
    return code in PASSING or code.endswith("InProgress")


class RefusedError(DeploymentError):
    """Azure refused a request, or an operation of it ended as failed. `code` is Azure's own."""

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class MissingPackageError(DeploymentError):
    """A package that deploying needs, and nothing else, is not installed."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"Deploying to Azure needs packages that are not installed (there is no {name!r}): "
            "pip install -r requirements-deploy.txt"
        )


class UnreachableError(DeploymentError):
    """Azure does not answer."""


class StoppedError(DeploymentError):
    """Somebody ended the command before it was done."""

    def __init__(self, title: str) -> None:
        super().__init__(f"{title}: ended before it was done; the same command goes on from here.")


class NotOursError(DeploymentError):
    """Something of this name exists, and this deployment did not make it."""


class NotReadyError(DeploymentError):
    """A role did not become ready."""


def lost(error: DeploymentError) -> bool:
    """Whether only an answer got lost: Azure was not reached, or was too busy to say how things stand."""
    status = getattr(error.__cause__, "status_code", None) or 0
    return isinstance(error, UnreachableError) or status in _BUSY or status >= _SERVER_ERRORS


def refused(error: Any, doing: str, *, advice: str = "") -> RefusedError:
    """What an azure.core.exceptions.HttpResponseError says, for people. doing: "to create the registry fp1"; advice: in
    place of what is known of its code."""
    inner = _innermost(getattr(error, "error", None))
    code = str(getattr(inner, "code", "") or getattr(error, "reason", "") or type(error).__name__)
    said = str(getattr(inner, "message", "") or getattr(error, "message", "") or error).strip().split("\n")[0]
    advice = advice or ADVICE.get(code, "Nothing else was undone; run the same command again once that is mended.")
    return RefusedError(f"Azure refused {doing}: {said.rstrip('.')} ({code}). {advice}", code=code)


def _innermost(error: Any) -> Any:
    """Azure wraps the error that says most in `details`, again and again."""
    while error is not None and (details := getattr(error, "details", None)):
        if not getattr(details[0], "code", ""):
            break
        error = details[0]
    return error
