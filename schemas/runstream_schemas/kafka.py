"""How to reach the broker, and what the topics are called: shared by whoever writes events and whoever reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from .avro import EVENT_NAMES, topic
from .setting_values import SettingsError, Values

DESCRIPTIONS: Final[Mapping[str, str]] = {
    "topic_prefix": "Topics are <prefix>.<event>. Default: runstream.",
    "kafka_security": "plaintext, ssl, sasl_plaintext or sasl_ssl. Default: sasl_ssl with a username, else plaintext.",
    "kafka_username": "User name at the broker.",
    "kafka_password": "Its password.",
    "kafka_sasl_mechanism": "SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN. Default: SCRAM-SHA-512.",
    "kafka_ca": "File with the certificate (PEM) that signed the broker's. Default: those of the system.",
    "kafka_certificate": "File with this client's certificate (PEM), where the broker asks for one.",
    "kafka_key": "File with its private key (PEM).",
    "kafka_compression": "lz4 (cheapest), zstd (smallest) or none. Default: lz4.",
    "kafka_options": "More options for librdkafka: name=value,name=value. They win over all others.",
}
"""Every setting about Kafka, with what it means."""

_SECURITY: Final = ("plaintext", "ssl", "sasl_plaintext", "sasl_ssl")
_MECHANISMS: Final = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN")

DEAD_LETTER: Final = "dead_letter"
"""The topic of refused events is named like an event that is none."""


@dataclass(frozen=True)
class KafkaSettings:
    """The settings about Kafka, resolved. The password is not shown."""

    topic_prefix: str = "runstream"
    security: str = "plaintext"
    username: str = ""
    password: str = field(default="", repr=False)
    sasl_mechanism: str = _MECHANISMS[0]
    ca: str = ""
    certificate: str = ""
    key: str = ""
    compression: str = "lz4"
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    def topic(self, event: str) -> str:
        """The topic of an event, or of the dead letters."""
        return topic(event, self.topic_prefix)

    def shown(self, name: str) -> str:
        """The value of a setting as it may be printed."""
        if name == "kafka_password":
            return "***" if self.password else ""
        if name == "kafka_options":
            return ", ".join(self.options)  # their values may be passwords
        return str(getattr(self, name.removeprefix("kafka_")))

    @property
    def event_topics(self) -> dict[str, str]:
        """The topics of all events: topic → event."""
        return {self.topic(event): event for event in EVENT_NAMES}


def kafka_settings(values: Values) -> KafkaSettings:
    """Read the settings from what was given. Raises SettingsError."""
    username = values.text("kafka_username")
    security = values.choice("kafka_security", _SECURITY) if "kafka_security" in values.given else ""
    security = security or ("sasl_ssl" if username else "plaintext")
    if security.startswith("sasl") and not username:
        raise SettingsError(f"kafka_security is {security!r} and there is no kafka_username; give one")
    if username and not security.startswith("sasl"):
        raise SettingsError(f"there is a kafka_username and kafka_security is {security!r}; use sasl_ssl")
    return KafkaSettings(
        topic_prefix=_prefix(values),
        security=security,
        username=username,
        password=values.text("kafka_password"),
        sasl_mechanism=values.choice("kafka_sasl_mechanism", _MECHANISMS),
        ca=values.text("kafka_ca"),
        certificate=values.text("kafka_certificate"),
        key=values.text("kafka_key"),
        compression=values.choice("kafka_compression", ("lz4", "zstd", "none")),
        options=_options(values),
    )


def brokers(url: str) -> str:
    """The brokers of an event log's URL, as librdkafka wants them: host:port,host:port."""
    return url.removeprefix("kafka://").strip("/")


def client_config(url: str, settings: KafkaSettings, client: str) -> dict[str, str]:
    """What every client of the broker is configured with; `client` is its name in the broker's logs and quotas."""
    config = {
        "bootstrap.servers": brokers(url),
        "client.id": client,
        "security.protocol": settings.security,
        # A broker that is back after an outage is found within a second.
        "reconnect.backoff.ms": "100",
        "reconnect.backoff.max.ms": "1000",
        # Dead connections behind a firewall that drops packets are noticed by the kernel, too.
        "socket.keepalive.enable": "true",
    }
    if settings.security.startswith("sasl"):
        config["sasl.mechanism"] = settings.sasl_mechanism
        config["sasl.username"] = settings.username
        config["sasl.password"] = settings.password
    for option, path in (
        ("ssl.ca.location", settings.ca),
        ("ssl.certificate.location", settings.certificate),
        ("ssl.key.location", settings.key),
    ):
        if path:
            config[option] = path
    return config


def message_key(run_id: UUID, rank: int) -> bytes:
    """The key of every event of one rank: they stay in order, in one partition."""
    return f"{run_id}.{rank}".encode()


def check_url(url: str) -> None:
    """Raises SettingsError when the URL of a broker is not `kafka://host:port[,host:port]`."""
    rest = brokers(url)
    if "@" in rest:
        raise SettingsError("url holds a user for the broker; give it as RUNSTREAM_KAFKA_USERNAME and …_PASSWORD")
    for broker in rest.split(","):
        host, _, port = broker.rpartition(":")
        bare = ":" in host and not host.startswith("[")  # an IPv6 address, whose end looks like a port
        if not host or bare or not port.isdecimal() or not 0 < int(port) < 65536 or "/" in host:
            raise SettingsError(f"url names the broker {broker!r}; use kafka://host:port[,host:port]")


def _prefix(values: Values) -> str:
    prefix = values.text("topic_prefix", "runstream")
    if not prefix.replace(".", "").replace("_", "").replace("-", "").isalnum() or not prefix.isascii():
        raise SettingsError(f"topic_prefix is {prefix!r}; use ASCII letters, digits, dots, hyphens and underscores")
    return prefix


def _options(values: Values) -> dict[str, str]:
    options = {}
    for part in filter(None, values.text("kafka_options").split(",")):
        name, separator, value = part.partition("=")
        if not separator or not name.strip():
            raise SettingsError(f"kafka_options has {part!r}; use name=value,name=value")
        options[name.strip()] = value.strip()
    return options
