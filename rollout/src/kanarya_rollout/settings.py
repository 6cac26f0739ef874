"""Every setting of the controller's process, once: an environment variable each, its default and what it does.

Read by `__main__`. All problems are reported at once, a misspelt KANARYA_ROLLOUT_ variable among them. What is empty is not
given. Passwords are never shown.
"""

import re
import socket
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, model_validator

from kanarya_contracts.environment import meant
from kanarya_contracts.problems import agreed, from_validation, problem
from kanarya_rollout.message import key_of

PREFIX = "KANARYA_ROLLOUT_"
"""Of the variables that are ours alone."""


def _commas(value: object) -> object:
    return tuple(filter(None, (one.strip() for one in value.split(",")))) if isinstance(value, str) else value


def _address(value: SecretStr) -> SecretStr:
    if not re.match(r"^https?://[^\s/]", value.get_secret_value()):
        raise ValueError("expected an http:// or https:// address; what it got is not shown")
    return value


def _signing(value: SecretStr) -> SecretStr:
    key_of(value.get_secret_value())
    return value


def _url(value: str) -> str:
    if not re.match(r"^https?://[^\s/]+\S*$", value):
        raise ValueError(f"got {value!r}, expected an http:// or https:// address")
    return value


def _of_a_store(value: str) -> str:
    if not re.match(r"^(s3|gs|az|file)://\S+$", value):
        raise ValueError(f"got {value!r}, expected s3://BUCKET/PREFIX, gs://…, az://… or file:///DIRECTORY")
    return value


Url = Annotated[str, AfterValidator(_url)]
Names = Annotated[tuple[str, ...], BeforeValidator(_commas)]
Address = Annotated[SecretStr, AfterValidator(_address)]
Signing = Annotated[SecretStr, AfterValidator(_signing)]


class Settings(BaseModel):
    """What the controller is told. Each field's alias is its variable."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, populate_by_name=True)

    registry: Url = Field(alias="MLFLOW_TRACKING_URI")
    """MLflow's address, such as http://mlflow:5000."""
    registry_username: str | None = Field(default=None, alias="MLFLOW_TRACKING_USERNAME")
    """Who we are to MLflow, where it asks."""
    registry_password: SecretStr = Field(default=SecretStr(""), alias="MLFLOW_TRACKING_PASSWORD")
    """And how we prove it."""
    prometheus: Url = Field(alias=f"{PREFIX}PROMETHEUS")
    """Prometheus' address, such as http://prometheus:9090."""
    prometheus_username: str | None = Field(default=None, alias="PROMETHEUS_USERNAME")
    """Who we are to Prometheus, where it asks."""
    prometheus_password: SecretStr = Field(default=SecretStr(""), alias="PROMETHEUS_PASSWORD")
    """And how we prove it."""
    webhook_url: Address | None = Field(default=None, alias=f"{PREFIX}WEBHOOK_URL")
    """Where CloudEvents about rollouts are posted to, signed; such as https://example.com/kanarya."""
    webhook_secret: Signing | None = Field(default=None, alias=f"{PREFIX}WEBHOOK_SECRET")
    """With what they are signed after Standard Webhooks: whsec_ and 24 to 64 bytes in base64. Required with the address."""
    slack_url: Address | None = Field(default=None, alias=f"{PREFIX}SLACK_URL")
    """An incoming webhook of Slack, or of what takes the same; its address is its secret."""
    artifacts_root: str | None = Field(default=None, alias=f"{PREFIX}ARTIFACTS_ROOT", pattern=r"^[a-z0-9]+://\S+$")
    """MLflow's --artifacts-destination, such as s3://mlflow/artifacts: what mlflow-artifacts: stands for to KServe."""
    audit: Annotated[str, AfterValidator(_of_a_store)] | None = Field(default=None, alias=f"{PREFIX}AUDIT")
    """Where decisions are kept on record, such as s3://audit/kanarya, with the store's own variables (AWS_ACCESS_KEY_ID, …)
    beside it; without it, no record is kept."""
    namespaces: Names = Field(default=(), alias=f"{PREFIX}NAMESPACES")
    """Namespaces whose rollouts are looked after, with commas between; none means all, which needs a ClusterRole."""
    lease: str | None = Field(default=None, alias=f"{PREFIX}LEASE", pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    """Name of the Lease by which one of several controllers leads; without it each of them would."""
    lease_namespace: str = Field(default="default", alias="POD_NAMESPACE")
    """Where the Lease is."""
    identity: str = Field(default_factory=socket.gethostname, alias="POD_NAME", min_length=1)
    """Which controller this is; the host's name if nothing is said."""
    host: str = Field(default="0.0.0.0", alias=f"{PREFIX}HOST")  # noqa: S104 (a pod's address is not known beforehand)
    """Where /metrics, /healthz and /readyz are."""
    port: int = Field(default=8080, alias=f"{PREFIX}PORT", ge=0, le=65535)
    """And on which port; 0 takes any free one."""
    log_level: Literal["DEBUG", "INFO", "WARNING"] = Field(default="INFO", alias=f"{PREFIX}LOG_LEVEL")
    """How much is said."""
    tick_seconds: float = Field(default=0.5, alias=f"{PREFIX}TICK_SECONDS", ge=0.05, le=60)
    """Between looks at a rollout under way."""
    metrics_max_age_seconds: float = Field(default=1.0, alias=f"{PREFIX}METRICS_MAX_AGE_SECONDS", ge=0, le=60)
    """For how long an answer of Prometheus is good, for every rollout."""
    kserve_namespace: str = Field(
        default="kserve", alias=f"{PREFIX}KSERVE_NAMESPACE", pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
    )
    """Where KServe's ConfigMap inferenceservice-config is, which tells its version, its mode and how it routes."""
    kserve_own_routes: bool | None = Field(default=None, alias=f"{PREFIX}KSERVE_OWN_ROUTES")
    """Whether KServe makes routes by itself, where its ConfigMap may not be read; true if nobody says."""
    kubeconfig: str | None = Field(default=None, alias=f"{PREFIX}KUBECONFIG")
    """A kubeconfig's path, outside of a cluster; without it, the pod's service account."""

    @model_validator(mode="after")
    def _signed(self) -> Self:
        url, secret = f"{PREFIX}WEBHOOK_URL", f"{PREFIX}WEBHOOK_SECRET"
        missing = [secret] if self.webhook_secret is None else [url]
        wrong = [problem("is missing: an address and what signs the messages to it belong together", name) for name in missing]
        return agreed(self, wrong if (self.webhook_url is None) != (self.webhook_secret is None) else [])

    @property
    def registry_login(self) -> tuple[str, str] | None:
        """User and password for MLflow."""
        return _login(self.registry_username, self.registry_password)

    @property
    def prometheus_login(self) -> tuple[str, str] | None:
        """User and password for Prometheus."""
        return _login(self.prometheus_username, self.prometheus_password)


def settings(environment: Mapping[str, str]) -> Settings:
    """From the environment. Raises InvalidInput with every problem, each at its variable."""
    known = {field.alias for field in Settings.model_fields.values()}
    given = {name: value for name, value in environment.items() if value and name in known and not name.startswith(PREFIX)}
    given |= meant(environment, PREFIX)
    try:
        return Settings.model_validate(given, by_alias=True, by_name=False)
    except ValidationError as error:
        raise from_validation("environment", error) from None


def listed() -> str:
    """Every variable with what it does and its default, for people."""
    lines = []
    for field in Settings.model_fields.values():
        default = str(field.default) if field.default and field.default_factory is None else "none"
        need = "required" if field.is_required() else f"default: {default}"
        lines.append(f"{field.alias}\n    {field.description} ({need})\n")
    return "".join(lines)


def _login(username: str | None, password: SecretStr) -> tuple[str, str] | None:
    return None if username is None else (username, password.get_secret_value())
