"""A broker that asks for TLS and a password, and lets users do only what they may."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from broker import jars
from broker.accounts import with_accounts
from broker.kafka import Cluster


@dataclass(frozen=True)
class SecuredBroker:
    """Its plain listener is for the test itself, which may do everything."""

    cluster: Cluster
    ca: Path
    other_ca: Path
    """Of somebody else."""

    @property
    def url(self) -> str:
        return f"kafka://127.0.0.1:{self.cluster.secure_ports[0]}"

    def allow_writing(self, user: str, prefix: str) -> None:
        """What a training process needs, and no more."""
        binding = AclBinding(
            ResourceType.TOPIC,
            f"{prefix}.",
            ResourcePatternType.PREFIXED,
            f"User:{user}",
            "*",
            AclOperation.WRITE,
            AclPermissionType.ALLOW,
        )
        admin = self.cluster.admin()
        admin.create_acls([binding])[binding].result(20)


@contextmanager
def secured_broker(directory: Path) -> Iterator[SecuredBroker]:
    directory.mkdir()
    for name in ("ca", "other"):
        _openssl(
            directory, f"req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={name} -keyout {name}.key -out {name}.pem"
        )
    (directory / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1")
    _openssl(directory, "req -newkey rsa:2048 -nodes -subj /CN=broker -keyout broker.key -out broker.csr")
    _openssl(
        directory,
        "x509 -req -in broker.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out broker.crt",
    )
    _openssl(directory, "pkcs8 -topk8 -nocrypt -in broker.key -out broker.p8")
    parts = [(directory / name).read_text() for name in ("broker.p8", "broker.crt", "ca.pem")]
    (directory / "broker.pem").write_text("".join(parts))
    extra = with_accounts(("train", "guest"), "tr0ub4dor", "SASL_SSL") | {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(directory / "broker.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(directory / "ca.pem"),
    }
    with Cluster(directory / "cluster", extra=extra, vm_options=jars.FULL) as cluster:
        yield SecuredBroker(cluster, directory / "ca.pem", directory / "other.pem")


def _openssl(directory: Path, arguments: str) -> None:
    subprocess.run(["openssl", *arguments.split()], cwd=directory, check=True, capture_output=True, timeout=60)
