"""Certificates for TLS between the server and its nodes, and a key for each node."""

from __future__ import annotations

import datetime
import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scionwood.authoring import atomic_folder, writing
from scionwood_federated.update.record import FederationError

DAYS = 365
SERVER, SITES = "server", "sites"
CA, CERTIFICATE, SERVER_KEY, NODE_KEY, NODES = (
    "ca.pem",
    "server.pem",
    "server.key",
    "node.key",
    "nodes",
)


def make_certificates(out: str | Path, hosts: Sequence[str], sites: Sequence[str]) -> None:
    """Write what the server and each site need to trust each other.

    `out/server` is for the server alone, `out/sites/NAME` for the site of that name alone. The key
    of the authority that signs is thrown away, so that nobody can sign another certificate.

    Args:
        out: the folder; only its owner may read it.
        hosts: the names and addresses under which sites reach the server.
        sites: the names of the sites.

    Raises:
        FederationError: the package cryptography is missing, which comes with Flower.
        OutputExistsError: the folder exists.
    """
    x509, hashes, serialization, ec = _cryptography()
    plain = serialization.NoEncryption()
    pem, ssh = serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH
    authority, key = (
        ec.generate_private_key(ec.SECP384R1()),
        ec.generate_private_key(ec.SECP384R1()),
    )
    root = _signed(x509, hashes, "scionwood federation", authority, authority, None, [])
    names = [_name(x509, host) for host in dict.fromkeys([*hosts, "localhost", "127.0.0.1"])]
    leaf = _signed(x509, hashes, hosts[0], key, authority, root, names)
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


def _signed(
    x509: Any, hashes: Any, name: str, key: Any, signer: Any, issuer: Any, names: list[Any]
) -> Any:
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


def _name(x509: Any, host: str) -> Any:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:  # a name, not an address
        return x509.DNSName(host)


def _private(path: Path, content: bytes) -> None:
    with open(path, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(content)


def _cryptography() -> tuple[Any, Any, Any, Any]:
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError as error:
        remedy = "pip install 'flwr>=1.42,<1.43' in an environment of its own"
        raise FederationError("certificates", "cryptography is not installed", remedy) from error
    return x509, hashes, serialization, ec
