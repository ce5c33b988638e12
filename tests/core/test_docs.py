"""Documentation is executed: what a reader copies works."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from scionwood_kit import CHECKS

ROOT = Path(__file__).parents[2]
PLACES = ("README.md", "docs/*.md", "docs/*/*.md", "docs/*/*/*.md", "plugins/*/README.md")
PAGES = [page for place in PLACES for page in sorted(ROOT.glob(place))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S)


LONG = {
    "docs/export.md",
    "docs/fields/pde/large.md",
    "docs/many-files.md",
    "docs/tracking.md",
    "docs/trainer.md",
    "plugins/crash/README.md",
}
"""Pages whose code runs for seconds."""


def pages_with_python():
    for page in PAGES:
        if blocks(page, "python"):
            name = str(page.relative_to(ROOT))
            yield pytest.param(page, id=name, marks=[pytest.mark.slow] if name in LONG else [])


@pytest.mark.usefixtures("blank_pictures")
@pytest.mark.parametrize("page", list(pages_with_python()))
def test_the_python_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = compile("\n".join(blocks(page, "python")), str(page), "exec")
    exec(code, {"__name__": "__main__"})


@pytest.mark.slow
def test_the_five_minute_plugin_guide_works_as_it_is_written(tmp_path):
    (guide,) = blocks(ROOT / "CONTRIBUTING.md", "bash")
    venv.create(tmp_path / "env", with_pip=True, symlinks=True)
    # The new environment sees what this one has installed; what it installs stays its own.
    inner = next((tmp_path / "env").glob("lib/python*/site-packages"))
    seen = [path for path in sys.path if "site-packages" in path]
    (inner / "outer.pth").write_text(
        "\n".join(f"import site; site.addsitedir({p!r})" for p in seen)
    )
    binary = tmp_path / "env" / "bin"
    command = 'scionwood() { python -m scionwood.cli "$@"; }\nset -ex\n' + guide
    environment = {**os.environ, "PATH": f"{binary}{os.pathsep}{os.environ['PATH']}"}
    run = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, env=environment
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{len(CHECKS)} of {len(CHECKS)} checks hold" in run.stdout
    nothing = [line.split()[1] for line in run.stdout.splitlines() if line.startswith("- ")]
    trainer = ["check_trainer_parts_build", "check_trainer_parts_run"]
    services = ["check_services", "check_services_refuse_damage"]
    assert {*trainer, "check_shipped_runs", *services} <= set(nothing)
    assert (tmp_path / "hydrology" / "pyproject.toml").is_file()


def test_links_to_files_lead_somewhere():
    faults = []
    for page in [*PAGES, ROOT / "CONTRIBUTING.md"]:
        text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)
        targets = [t for t in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in t]
        faults += [f"{page}: {t}" for t in targets if not (page.parent / t).exists()]
    assert not faults


OURS = re.compile(
    r"""(pip\ install[^\n`\#]*[\ '"]scionwood\b)     # what no index has
    |scionwood\.(github|org|io|dev|ai)|github\.com/scionwood  # what nobody owns""",
    re.X,
)


def test_nothing_leads_to_a_distribution_or_a_site_that_is_not_there():
    assert OURS.search("pip install 'scionwood[das]'")
    assert not OURS.search("pip install -e . -e plugins/seismic  # scionwood")
    kinds = {".md", ".py", ".pyi", ".tmpl", ".yaml", ".yml", ".toml", ".cff", ".html"}
    places = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "pyproject.toml")]
    for folder in ("benchmarks", "configs", "core", "docs", "plugins"):
        places += [path for path in (ROOT / folder).rglob("*") if path.suffix in kinds]
    assert len(places) > 1000
    faults = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in places
        if (match := OURS.search(path.read_text("utf-8")))
    ]
    assert not faults


def test_what_the_readme_tells_to_make_is_in_the_makefile():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    told = set(re.findall(r"\bmake ([a-z-]+)", (ROOT / "README.md").read_text("utf-8")))
    assert {"demo", "test", "lint"} <= told
    for target in told:
        assert re.search(rf"^{target}:", makefile, re.M), target
