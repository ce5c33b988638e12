"""A federation over a network: `scionwood federated export | certificates | serve | join`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from scionwood.authoring import InputPath, OutputPath
from scionwood_federated.schedule import NetOptions

Engines = Literal["flower"]


def export(
    engine: Engines,
    start: InputPath,
    out: OutputPath,
    options: NetOptions = NetOptions(),
    *,
    sites: list[str],
    secure: bool = False,
) -> None:
    """Write a federation for an engine: an app of Flower.

    Args:
        engine: flower.
        start: what the first round starts from, as `begin` wrote it.
        out: the folder to write.
        options: the rounds, the rule and the limits.
        sites: the names of the sites, such as '[north, south, west]'.
        secure: secure sums by SecAgg+. Flower 1.42 has them for its old API alone, so that they
            are refused.

    Raises:
        FederationError: the plan does not hold together, or the start has no recipe.
        AdapterFileError: the start is damaged.
        OutputExistsError: the folder exists.
    """
    from scionwood_federated.engines.flower_export import export_flower
    from scionwood_federated.engines.plan import NetPlan

    plan = NetPlan(**vars(options), sites=tuple(sites))
    if secure:
        plan.refuse_secure_sums()
    export_flower(start, out, plan)
    print(out)


def certificates(out: OutputPath, *, sites: list[str], hosts: list[str] | None = None) -> None:
    """Write certificates for TLS, and a key for each site.

    `out/server` is for the server alone, and `out/sites/NAME` for that site alone.

    Args:
        out: the folder to write.
        sites: the names of the sites, such as '[north, south, west]'.
        hosts: the names and addresses of the server, such as '[pool.example.org]'.

    Raises:
        FederationError: the package cryptography is missing, which comes with Flower.
        OutputExistsError: the folder exists.
    """
    try:
        from scionwood_federated.engines.certificates import make_certificates
    except ImportError as error:
        from scionwood_federated.update.record import FederationError

        remedy = "pip install 'flwr>=1.42,<1.43' in an environment of its own"
        raise FederationError("certificates", "cryptography is not installed", remedy) from error
    make_certificates(out, hosts or ["127.0.0.1"], sites)
    print(f"{out}/server for the server, {out}/sites/NAME for each site")


def serve(
    app: InputPath,
    certificates: InputPath,
    out: OutputPath,
    *,
    host: str = "127.0.0.1",
    port: int = 8443,
    wait: float = 600.0,
) -> None:
    """Serve a federation by Flower until its rounds are done.

    Only nodes whose keys are in the certificates may join, and everything goes over TLS.

    Args:
        app: the folder that `export flower` wrote.
        out: the folder of the rounds; `rounds.json` in it says which sites were used.
        certificates: the folder `server` that `certificates` wrote.
        host: the address to listen at; 0.0.0.0 for other machines.
        port: the port to listen at.
        wait: seconds to wait for the sites before the first round.

    Raises:
        FederationError: Flower is not installed, or too few sites are left in a round.
        OutputExistsError: the folder of the rounds exists.
    """
    from scionwood_federated.engines.flower_processes import serve as run

    ended = run(app, out, certificates, host=host, port=port, wait=wait)
    print(Path(out) / ended["last"])


def join(
    server: str,
    site: str,
    recipe: InputPath,
    certificates: InputPath,
    *,
    override: list[str] | None = None,
    patience: float = 300.0,
) -> int:
    """Take part in a federation by Flower as a site, until the server is gone.

    The node runs the code of the server's app. Join only servers whose operator you trust.

    Args:
        server: the address of the server, such as pool.example.org:8443.
        site: the name of this site.
        recipe: this site's copy of the recipe, such as round0/recipe.yaml.
        certificates: the folder `sites/NAME` that `certificates` wrote.
        override: the options that are the site's own, such as '[data.source=/data/scans]'.
        patience: seconds to try to reach a server that is not there, or not any more.

    Raises:
        FederationError: Flower is not installed.
    """
    from scionwood_federated.engines.flower_processes import join as run

    return run(server, site, recipe, certificates, overrides=override or (), patience=patience)
