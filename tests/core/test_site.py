"""The site is built as `make docs` builds it, lists what there is, and needs no network."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
import venv
import zlib
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

sys.path.insert(0, str(Path(__file__).parent / "browser"))

from handbook import built

import scionwood
from scionwood.cli.inspection import describe
from scionwood.lazy import homes
from scionwood.plugins import discovery
from scionwood.plugins.plugin import KINDS
from scionwood.recipes.recipe_file import recipes
from scionwood_kit import CHECKS

ROOT = Path(__file__).parents[2]
FIELDS = ("bangla", "biomed", "crash", "pde", "seismic")
PLUGINS = (*FIELDS, "audio", "audit", "federated", "language", "methods", "serve")
STRAIGHT = {0x2018: "'", 0x2019: "'", 0x201C: '"', 0x201D: '"', 0x2026: "..."}


class Page(HTMLParser):
    """The links, the anchors, and the loaded files of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors = {"", "top"}
        self.loaded: list[str] = []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag == "link" and values.get("rel") in ("stylesheet", "preload", "icon"):
            self.loaded.append(values["href"])
        elif "src" in values:
            self.loaded.append(values["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    return built(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def pages(site) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html") if "_static" not in path.parts}


def test_every_room_with_a_public_name_has_a_page():
    listed = re.findall(
        r"^```\{names\} (\w+)$",
        "\n".join(path.read_text("utf-8") for path in (ROOT / "docs" / "reference").rglob("*.md")),
        re.M,
    )
    rooms = {home.split(".")[1] for home in homes(scionwood.__file__).values() if "." in home}
    assert rooms <= set(listed)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_inventory_lists_every_public_name_and_every_component(site):
    content = (site / "objects.inv").read_bytes()
    listed = zlib.decompress(content.split(b"zlib.\n", 1)[1]).decode().splitlines()
    names = {line.split()[0] for line in listed}
    modules = {"adapters", "batch", "kernels", "training"}
    assert {f"scionwood.{name}" for name in scionwood.__all__ if name not in modules} <= names
    for plugin in (path.name for path in (ROOT / "plugins").iterdir() if path.is_dir()):
        record = discovery.record(plugin)
        labels = {f"{kind}-{plugin}-{name}" for kind in KINDS for name in getattr(record, kind)}
        labels |= {f"recipes-{plugin}-{name}" for name in recipes(plugin)}
        assert {label.lower() for label in labels} <= names


def plain(text: str) -> str:
    """Return text without backticks, escapes, curled quotes and line ends."""
    return " ".join(re.sub(r"`|\\(?=[<>*_|])", "", text.translate(STRAIGHT)).split())


def read(part: str) -> str:
    """Return a part of a page as a reader sees it."""
    return plain(html.unescape(re.sub(r"<[^>]+>", "", part)))


def section(page: str, label: str) -> str:
    """Return the part of a page that a label names, up to the next heading."""
    _, _, rest = page.partition(f'id="{label}"')
    assert rest, label
    return rest.partition("</h2>")[2].partition("<h2>")[0]


def told(described: str) -> tuple[list[str], list[str]]:
    """Return the texts and the options that `scionwood show` prints for a component."""
    doc, _, options = described.partition("\n\noptions:\n")
    doc = re.sub(r"\n(Args|Attributes|Raises|Returns|Yields|Example):\n", "\n\n", doc)
    doc = re.sub(r"^    (\w+): ", "\n\n", doc, flags=re.M)  # an entry of one of them
    _, *texts = (plain(re.sub(r"^ *- ", "", part, flags=re.M)) for part in doc.split("\n\n"))
    return [text for text in texts if text], re.findall(r"^  (\w+: .*)$", options, re.M)


def shown(ref: str) -> dict[str, str]:
    """Return what `scionwood show` prints for a name, by its kinds."""
    kinds = "|".join((*KINDS.values(), "recipe"))
    _, *parts = re.split(rf"^({kinds}) {re.escape(ref)}$", describe(ref), flags=re.M)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def missing(block: str, part: str) -> list[str]:
    """Return what `scionwood show` prints for a component and a part of a page lacks."""
    texts, options = told(block)
    rows = [re.findall(r"<td.*?</td>", row, re.S) for row in part.split("</tr>")]
    cells = [[read(cell) for cell in row] for row in rows if row]
    listed = [
        f"{name}: {kind}" + ("" if default == "required" else f" = {default}")
        for name, kind, default, _ in cells
    ]
    text = read(part)
    return [each for each in texts if each not in text] + [
        each for each in map(plain, options) if each not in listed
    ]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("plugin", PLUGINS)
def test_the_reference_says_what_show_prints(plugin, site):
    folder = site / "fields" / plugin
    paths = (folder / f"{name}.html" for name in ("components", "commands"))
    components, commands = (path.read_text("utf-8") if path.is_file() else "" for path in paths)
    record, carried, compared = discovery.record(plugin), recipes(plugin), 0
    names = {name for kind in KINDS for name in getattr(record, kind)} | carried.keys()
    words = {word: kind for kind, word in KINDS.items()} | {"recipe": "recipes"}
    for name in names:
        for word, block in shown(f"{plugin}/{name}").items():
            label = f"{words[word]}-{plugin}-{name}".lower().replace("_", "-")
            part = section(commands if word == "command" else components, label)
            gone = [] if plain(block) in read(part) else missing(block, part)
            assert gone == [], label
            compared += 1
    assert compared == sum(len(getattr(record, kind)) for kind in KINDS) + len(carried)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_example_ran_and_every_check_has_its_reason(site):
    examples = {path.stem for path in (ROOT / "docs" / "examples").glob("plot_*.py")}
    for field in FIELDS:
        assert len([name for name in examples if name.startswith(f"plot_{field}_")]) >= 2
    for name in examples:
        page = (site / "gallery" / f"{name}.html").read_text("utf-8")
        assert "running time of the script" in page
        assert f"{name}.ipynb" in page
    checks = (site / "authors" / "checks.html").read_text("utf-8")
    assert all(check.__name__ in checks for check in CHECKS)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_link_inside_the_site_leads_to_its_page_and_anchor(pages):
    broken = []
    for path, page in pages.items():
        for link in page.links:
            name, _, anchor = unquote(link).partition("#")
            target = (path.parent / name.partition("?")[0]).resolve() if name else path
            if ":" in name:  # another site
                continue
            known = pages[target].anchors if target in pages else {anchor}
            if not target.is_file() or anchor not in known:
                broken.append(f"{path.name}: {link}")
    assert len(pages) > 50
    assert broken == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_page_loads_anything_from_the_network(site, pages):
    loaded = [link for page in pages.values() for link in page.loaded]
    assert any(link.endswith(".js") for link in (link.partition("?")[0] for link in loaded))
    assert [link for link in loaded if re.match(r"(https?:)?//", link)] == []
    for sheet in site.rglob("*.css"):
        text = sheet.read_text("utf-8")
        assert not re.search(r"(@import|url\()\s*['\"(]*\s*(https?:)?//", text), sheet.name


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("field", FIELDS)
def test_the_notebook_of_a_field_runs(field, site, tmp_path, monkeypatch):
    notebooks = sorted(site.glob(f"_downloads/*/plot_{field}_*.ipynb"))
    assert notebooks
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    cells = json.loads(notebooks[0].read_text("utf-8"))["cells"]
    codes = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    script = "\n".join(code for code in codes if not code.startswith("%"))
    assert script.strip()
    run = subprocess.run(
        [sys.executable, "-W", "ignore::UserWarning", "-c", script], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_tutorial_works_as_it_is_written(tmp_path):
    """Its files are written and its commands run in their order, in an environment of its own."""
    text = (ROOT / "docs" / "authors" / "tutorial.md").read_text("utf-8")
    blocks = re.findall(
        r"^```(?:bash\n|\{code-block\} \w+\n:caption: (\S+)\n)(.*?)^```$", text, re.M | re.S
    )
    assert len(blocks) > 8
    venv.create(tmp_path / "env", with_pip=True, symlinks=True)
    inner = next((tmp_path / "env").glob("lib/python*/site-packages"))
    seen = [path for path in sys.path if "site-packages" in path]
    (inner / "outer.pth").write_text(
        "".join(f"import site; site.addsitedir({p!r})\n" for p in seen)
    )
    path = f"{tmp_path / 'env' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    said = ""
    for name, block in blocks:
        if name:
            (tmp_path / name).write_text(block, "utf-8")
            continue
        script = f'scionwood() {{ python -m scionwood.cli "$@"; }}\nset -ex\n{block}'
        run = subprocess.run(
            ["bash", "-c", script],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"},
        )
        assert run.returncode == 0, run.stdout + run.stderr
        said += run.stdout
    assert len(re.findall(r"^(\d+) of \1 checks hold\b", said, re.M)) == 2
    accuracy = re.search(r"test_accuracy\s+([\d.]+)", said)
    assert accuracy
    assert float(accuracy[1]) > 0.85
    assert len((tmp_path / "classes.csv").read_text().splitlines()) == 1798
