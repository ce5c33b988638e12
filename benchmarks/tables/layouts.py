"""The table of the pde plugin's layouts: files by the libraries that wrote them."""

from __future__ import annotations

from text import Tables, read, table

REASON = 96


def layouts() -> str:
    """Return what is read and refused, with the state before the readers were changed."""
    before = {row["file"]: row for row in read("pde_layouts_before")}
    rows = read("pde_layouts")
    lines = []
    for row in rows:
        old = before[row["file"]]
        first = old["result"] if old["right"] == "yes" else f"{old['result']}, wrong"
        cells = [row["layout"], f"`{row['file']}`", row["writer"], first]
        detail = f"{row['fields']} fields, {row['difference']}" if row["fields"] else _reason(row)
        wrong = "" if row["right"] == "yes" else ", wrong"
        lines.append([*cells, row["result"] + wrong, detail])
    taken = [sum(row["result"].startswith("read") for row in own) for own in _right(rows, before)]
    right = [len(own) for own in _right(rows, before)]
    lines.append(["right", "", "", f"{right[0]} of {len(rows)}", f"{right[1]} of {len(rows)}", ""])
    lines.append(["of these read", "", "", str(taken[0]), str(taken[1]), ""])
    head = [
        "layout",
        "file",
        "written by",
        "at first",
        "now",
        "kept and largest difference; or why",
    ]
    return table(head, lines)


def _right(
    rows: list[dict[str, str]], before: dict[str, dict[str, str]]
) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    old = [before[row["file"]] for row in rows if before[row["file"]]["right"] == "yes"]
    return old, [row for row in rows if row["right"] == "yes"]


def _reason(row: dict[str, str]) -> str:
    """Return the rule of a refusal, without the name of the file and the remedy."""
    words = row["words"].partition(": ")[2].split(". ")[0]
    return words.replace("|", "/")[:REASON]


TABLES: Tables = {"pde_layouts": layouts}
