"""Certificates for TLS between the server and its nodes, and a key for each node."""

from __future__ import annotations

import datetime
import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from scionwood.authoring import atomic_folder, writing
from scionwood_federated.engines.plan import (
    CA,
    CERTIFICATE,
    NODE_KEY,
    NODES,
    SERVER,
    SERVER_KEY,
    SITES,
)

DAYS = 365


def make_certificates(out: str | Path, hosts: Sequence[str], sites: Sequence[str]) -> None:
    """Write what the server and each site need to trust each other; see the verb.

    The key of the authority that signs is thrown away, so that nobody can sign another certificate.
    """
    plain = serialization.NoEncryption()
    pem, ssh = serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH
    authority, key = (ec.generate_private_key(ec.SECP384R1()) for _ in range(2))
    root = _signed("scionwood federation", authority, authority, None, [])
    names = [_name(host) for host in dict.fromkeys([*hosts, "localhost", "127.0.0.1"])]
    leaf = _signed(hosts[0], key, authority, root, names)
    with writing(out), atomic_folder(out) as folder:
        folder.chmod(0o700)
        (folder / SERVER / NODES).mkdir(parents=True)
        (folder / SERVER / CA).write_bytes(root.public_bytes(pem))
        (folder / SERVER / CERTIFICATE).write_bytes(leaf.public_bytes(pem))
        form = serialization.PrivateFormat.PKCS8
        _private(folder / SERVER / SERVER_KEY, key.private_bytes(pem, form, plain))
        for site in sites:
            node = ec.generate_private_key(ec.SECP384R1())
            public = node.public_key().public_bytes(
                serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
            )
            (folder / SERVER / NODES / f"{site}.pub").write_bytes(public)
            (folder / SITES / site).mkdir(parents=True)
            (folder / SITES / site / CA).write_bytes(root.public_bytes(pem))
            _private(folder / SITES / site / NODE_KEY, node.private_bytes(pem, ssh, plain))


def _signed(name: str, key: Any, signer: Any, issuer: Any, names: list[Any]) -> Any:
    # A common name has at most 64 characters (X.520).
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name[:64])])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=DAYS))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(signer, hashes.SHA256())


def _name(host: str) -> Any:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:  # a name, not an address
        return x509.DNSName(host)


def _private(path: Path, content: bytes) -> None:
    with open(path, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(content)
