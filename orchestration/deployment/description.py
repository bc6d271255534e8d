"""deployment.toml: what people say about a deployment, checked with messages that name the key.

deployment.example.toml has every key with its default and a comment.
"""

from __future__ import annotations

import tomllib
import uuid
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from orchestration.deployment.errors import DescriptionError

#: The file that commands read when they are told of none.
DEFAULT_PATH: Final = Path("deployment.toml")
#: Of names that must differ from those of all other customers of a cloud.
SUFFIX_DIGITS: Final = 6
#: An online endpoint of Azure Machine Learning has a name so long at most.
LONGEST_ENDPOINT: Final = 32
#: Of PostgreSQL, by the letter that the size begins with.
_TIERS: Final = {"B": "Burstable", "D": "GeneralPurpose", "E": "MemoryOptimized"}
#: The subscription of the example: no subscription has it.
NO_SUBSCRIPTION: Final = "00000000-0000-0000-0000-000000000000"

Name = Annotated[str, Field(pattern=r"^[a-z](-?[a-z0-9])+$", min_length=3, max_length=18)]
Positive = Annotated[float, Field(gt=0)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class Size(_Part):
    """What one container gets: cores, and memory in GiB."""

    cpu: Positive
    memory: Positive


class Sizes(_Part):
    """By role. Caddy is the TLS sidecar of the web."""

    web: Size = Size(cpu=1, memory=2)
    ingest: Size = Size(cpu=2, memory=4)
    trainer: Size = Size(cpu=2, memory=4)
    dispatcher: Size = Size(cpu=0.5, memory=1)
    scorer: Size = Size(cpu=1, memory=2)
    init: Size = Size(cpu=2, memory=4)
    redis: Size = Size(cpu=0.5, memory=0.5)
    caddy: Size = Size(cpu=0.2, memory=0.2)


class Scale(_Part):
    """How many of a role."""

    ingest: int = Field(default=1, ge=1, le=50)
    trainer: int = Field(default=1, ge=1, le=20)


class Skus(_Part):
    """What is bought, in Azure's own names."""

    face: Literal["F0", "S0"] = "S0"
    registry: Literal["Basic", "Standard", "Premium"] = "Basic"
    storage: Literal["Standard_LRS", "Standard_ZRS", "Standard_GRS", "Premium_LRS"] = "Standard_LRS"
    share_gib: int = Field(default=100, ge=1, le=102_400)
    postgresql: str = Field(default="Standard_B1ms", pattern=r"^Standard_[BDE]\d[a-z0-9_]*$")
    postgresql_gib: int = Field(default=32, ge=32, le=32_768)
    cassandra_throughput: int = Field(default=1000, ge=1000, le=1_000_000, multiple_of=1000)
    cassandra_side_throughput: int = Field(default=1000, ge=1000, le=1_000_000, multiple_of=1000)
    log_days: int = Field(default=30, ge=30, le=730)

    @property
    def postgresql_tier(self) -> str:
        """What sizes of this series are sold as.

        https://learn.microsoft.com/azure/postgresql/flexible-server/concepts-compute
        """
        return _TIERS[self.postgresql.removeprefix("Standard_")[0]]


class Names(_Part):
    """Names that are unique in a whole cloud; empty: made from the deployment's name and where it stands."""

    registry: str = Field(default="", pattern=r"^([a-zA-Z0-9]{5,50})?$")
    cassandra: str = Field(default="", pattern=r"^([a-z0-9](-?[a-z0-9]){2,43})?$", max_length=44)
    face: str = Field(default="", pattern=r"^([a-zA-Z0-9][a-zA-Z0-9-]{1,63})?$")
    storage: str = Field(default="", pattern=r"^([a-z0-9]{3,24})?$")
    postgresql: str = Field(default="", pattern=r"^([a-z0-9][a-z0-9-]{1,61}[a-z0-9])?$")
    vault: str = Field(default="", pattern=r"^([a-zA-Z](-?[a-zA-Z0-9]){2,23})?$", max_length=24)
    web: str = Field(default="", pattern=r"^([a-z][a-z0-9-]{3,61}[a-z0-9])?$")


class Images(_Part):
    """Where the containers' images come from. `product` empty: built, and kept in the deployment's own registry."""

    product: str = ""
    redis: str = Field(default="docker.io/library/redis:8", min_length=1)
    caddy: str = Field(default="docker.io/library/caddy:2", min_length=1)
    postgres: str = Field(default="docker.io/library/postgres:17", min_length=1)  # of Compose and Kubernetes
    cassandra: str = Field(default="docker.io/library/cassandra:5.0", min_length=1)  # likewise
    base: str = Field(default="docker.io/library/python:3.11-slim-bookworm", min_length=1)


class MachineLearning(_Part):
    """Serving by a managed online endpoint of Azure Machine Learning, beside the scorer's own container."""

    enabled: bool = False
    instance: str = Field(default="Standard_DS2_v2", min_length=1)
    instances: int = Field(default=1, ge=1, le=20)


class Description(_Part):
    """One deployment. Raises nothing by itself: use `load`."""

    name: Name
    cloud: Literal["public", "government"] = "public"
    subscription: str
    location: str = Field(pattern=r"^[a-z0-9]+$")
    resource_group: str = Field(default="", pattern=r"^[-\w._()]{0,89}$")
    private: bool = False
    detector: Literal["azure", "embedded"] = "azure"
    detector_fallback: Literal["", "embedded"] = ""
    users: Literal["postgresql", "bootstrap"] = "postgresql"
    data: str = "sample_data"
    hostname: str = Field(default="", pattern=r"^([a-z0-9-]+(\.[a-z0-9-]+)+)?$")
    image: Images = Images()
    names: Names = Names()
    scale: Scale = Scale()
    size: Sizes = Sizes()
    sku: Skus = Skus()
    machine_learning: MachineLearning = MachineLearning()

    @model_validator(mode="before")
    @classmethod
    def _short_image(cls, said: Any) -> Any:
        """`image = "reference"` says the product's image alone."""
        return _in_full(said) if isinstance(said, dict) else said

    @model_validator(mode="after")
    def _subscription(self) -> Description:
        try:
            uuid.UUID(self.subscription)
        except ValueError:
            raise ValueError("subscription: must be a GUID; `az account show --query id` prints yours") from None
        return self

    @model_validator(mode="after")
    def _machine_learning(self) -> Description:
        """An endpoint bears the web's name. Rolling out needs a managed identity, which groups in a network of Azure
        Government cannot have."""
        if self.machine_learning.enabled and self.cloud == "government":
            raise ValueError("machine_learning.enabled: cannot be had in Azure Government; the scorer serves there")
        if self.machine_learning.enabled and len(self.names.web) > LONGEST_ENDPOINT:
            raise ValueError(
                f"names.web: names the machine learning endpoint too, which takes {LONGEST_ENDPOINT} characters at most"
            )
        return self

    @property
    def group(self) -> str:
        """The resource group."""
        return self.resource_group or self.name

    @property
    def unique(self) -> str:
        """A few hexadecimal digits that follow from where the deployment stands, for names unique in a cloud."""
        place = "/".join((self.cloud, self.subscription, self.group, self.name)).lower()
        return sha256(place.encode()).hexdigest()[:SUFFIX_DIGITS]

    def global_name(self, kind: str, *, longest: int = 60, plain: bool = False) -> str:
        """Of a resource whose name is unique in a cloud: as said in `names`, or made. plain: no hyphens."""
        said = str(getattr(self.names, kind))
        if said:
            return said
        made = f"{self.name[: longest - SUFFIX_DIGITS - 1].rstrip('-')}-{self.unique}"
        return made.replace("-", "") if plain else made


def _in_full(said: dict[str, Any]) -> dict[str, Any]:
    """`image = "reference"` as `[image]` with a `product`."""
    return said | {"image": {"product": said["image"]}} if isinstance(said.get("image"), str) else said


def load(path: Path, **changes: Any) -> Description:
    """The description in a file, with single keys changed, as options of commands do ("scale.ingest": 4).

    Raises DescriptionError: each line names a key.
    """
    try:
        said = _in_full(tomllib.loads(path.read_text()))
    except FileNotFoundError:
        raise DescriptionError(
            f"There is no {path}. Copy deployment.example.toml to {path} and say in it what you want."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DescriptionError(f"{path} cannot be read: {error}.") from error
    except tomllib.TOMLDecodeError as error:
        raise DescriptionError(f"{path} is not TOML: {error}.") from error
    for key, value in changes.items():
        part = said
        *parents, last = key.split(".")
        for parent in parents:
            part = part.setdefault(parent, {})
        part[last] = value
    return parse(said, place=str(path))


def parse(said: dict[str, Any], *, place: str = "deployment.toml") -> Description:
    """A description from what TOML gives. Raises DescriptionError."""
    try:
        return Description.model_validate(said)
    except ValidationError as error:
        raise DescriptionError("\n".join([f"{place} cannot be used:", *map(_line, error.errors())])) from None


def _line(fault: Any) -> str:
    """One fault as `key: what is wrong`, with what was said where that is no secret (nothing here is)."""
    key = ".".join(map(str, fault["loc"]))
    match fault["type"]:
        case "missing":
            return f"  {key}: must be given"
        case "extra_forbidden":
            return f"  {key}: there is no such key; deployment.example.toml has them all"
        case "value_error":
            return f"  {fault['ctx']['error']}"
        case "string_pattern_mismatch":
            return f"  {key}: {fault['input']!r} is no such name (it must match {fault['ctx']['pattern']})"
        case _:
            return f"  {key}: {fault['msg'][0].lower()}{fault['msg'][1:]}, not {fault['input']!r}"
