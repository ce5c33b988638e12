"""A folder from which a container is built, with the runs in it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from scionwood.authoring import atomic_folder, check_target, writing
from scionwood_serve.versions.snapshot import take_version

DOCKERFILE = """\
FROM python:3.11-slim
RUN useradd --create-home --uid 1000 server
COPY wheels /wheels
RUN pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu /wheels/*.whl
COPY --chown=server runs /runs
USER server
WORKDIR /home/server
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --start-period=120s CMD ["python", "-c", \
"import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health', timeout=5)"]
# The token comes from outside: docker run --env SCIONWOOD_SERVE_TOKEN ...
CMD ["scionwood", "serve", "run", {runs}, "--host", "0.0.0.0", "--port", "8000"]
"""

README = """\
# A container that serves {names}

Scionwood is on no package index. `make wheels` in its clone builds all wheels. Copy these from
there into the folder `wheels` here, and those of other plugins that they need:

{packages}

```
docker build -t scionwood-serve .
SCIONWOOD_SERVE_TOKEN=$(openssl rand -hex 24) docker run --env SCIONWOOD_SERVE_TOKEN \\
    --publish 127.0.0.1:8000:8000 --read-only --tmpfs /tmp scionwood-serve
```

Requests carry the header `Authorization: Bearer TOKEN`. Put a proxy with TLS in front of it, and
call it by a name that `--host` knows: localhost, or that of the container.
"""


def export_container(runs: dict[str, str | Path], folder: Path, *, force: bool = False) -> Path:
    """Write a folder with a Dockerfile, the runs, and the commands to build and start it.

    Its README names the wheels that go into the folder `wheels` before it is built.

    Args:
        runs: the run by the name of its adapter.
        folder: the folder to write.
        force: replace an existing folder.

    Raises:
        ServingError: a name cannot be part of a URL.
        TrainingError: a run is not finished.
        OutputExistsError: the folder exists and `force` is false.

    Example:
        >>> from pathlib import Path
        >>> from scionwood_serve import export_container
        >>> made = export_container({"clean": "seismic/denoise"}, Path("container"))
        >>> sorted(path.name for path in made.iterdir())
        ['Dockerfile', 'README.md', 'runs', 'wheels']
    """
    check_target(folder, force)
    with writing(folder), atomic_folder(folder, overwrite=force) as part:
        fields: list[str] = []
        for name, run in runs.items():
            version_copy = take_version(run, part / "held", name)
            fields += version_copy.fields
            (part / "runs").mkdir(exist_ok=True)
            version_copy.folder.rename(part / "runs" / name)
        (part / "held").rmdir()
        (part / "wheels").mkdir()
        plugins = [f"scionwood-{field}" for field in dict.fromkeys(["serve", *fields])]
        packages = [f"- {_pinned(package)}" for package in ["scionwood", *plugins]]
        runs_text = ", ".join(f'"{name}=/runs/{name}"' for name in runs)
        text = DOCKERFILE.format(runs=runs_text)
        (part / "Dockerfile").write_text(text, encoding="utf-8")
        about = README.format(names=", ".join(runs), packages="\n".join(packages))
        (part / "README.md").write_text(about, encoding="utf-8")
    return folder


def _pinned(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:  # a plugin of others has a name of its own
        return package
