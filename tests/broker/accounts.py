"""Brokers that ask who one is, and let users do only what they may."""

from collections.abc import Iterable

PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"


def with_accounts(users: Iterable[str], password: str, protocol: str = "SASL_PLAINTEXT") -> dict[str, str]:
    """Settings of a cluster whose secure port knows these users. Its plain port is for the test itself, which may do
    everything.
    """
    accounts = " ".join(f'user_{user}="{password}"' for user in users)
    return {
        "listeners": "PLAINTEXT://127.0.0.1:{port},CLIENT://127.0.0.1:{secure_port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": "PLAINTEXT://127.0.0.1:{port},CLIENT://127.0.0.1:{secure_port}",
        "listener.security.protocol.map": f"PLAINTEXT:PLAINTEXT,CLIENT:{protocol},CONTROLLER:PLAINTEXT",
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.client.plain.sasl.jaas.config": f"{PLAIN} {accounts};",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "allow.everyone.if.no.acl.found": "false",
    }
