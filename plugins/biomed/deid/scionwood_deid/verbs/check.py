"""List what identifies a person: `scionwood-deid-check`."""

from __future__ import annotations

from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from scionwood_deid.verbs.command_line import print_table, prints
from scionwood_sandbox import ReadError, one_child

if TYPE_CHECKING:
    from scionwood_deid.findings import Findings
    from scionwood_deid.look import Look


class CheckResult(NamedTuple):
    """The files that were checked, and those that could not be.

    Attributes:
        findings: what each DICOM or NIfTI file holds.
        unread: each other file, and the reason.
    """

    findings: list[Findings]
    unread: list[tuple[Path, str]]

    @property
    def clean(self) -> bool:
        """Whether nothing identifies a person, and all files were checked."""
        return not self.unread and all(item.clean for item in self.findings)


def _print_findings(result: CheckResult, *, json: bool = False, exit_zero: bool = False) -> int:
    """Print findings, and return the exit status.

    Args:
        result: the result.
        json: print JSON.
        exit_zero: end with the exit status 0 even if something identifies a person.
    """
    from dataclasses import asdict

    if json:
        findings = [{**asdict(item), "path": str(item.path)} for item in result.findings]
        unread = [{"path": str(name), "unread": reason} for name, reason in result.unread]
        print(dumps([*findings, *unread], indent=1))
    else:
        rows: list[tuple[str, str]] = []
        for item in result.findings:
            lines = item.lines or ["nothing that identifies a person"]
            rows += [(str(item.path), line) for line in lines]
        rows += [(str(path), f"not checked: {reason}") for path, reason in result.unread]
        print_table(("file", "content"), rows)
    return int(not (exit_zero or result.clean))


@prints(_print_findings)
def deidentify_check(path: Path, *, detect_text: bool = False) -> CheckResult:
    """List what identifies a person in DICOM and NIfTI files; the exit status is 1 if anything is.

    Pixels that nobody looked at are listed, unless `review.csv` in a folder above the file has a
    look at them as they are now. DICOM is recognised by its content, NIfTI by its ending. The files
    are not changed, and no value is printed. Other files of a folder are listed, and what cannot be
    read counts as a finding.

    Args:
        path: a file, or a folder that is searched with its subfolders.
        detect_text: let a text detector look at pixels that nobody looked at (extra `pixels`); that
            it sees none is no proof.

    Returns:
        The findings of each file, and what could not be read with the reason.

    Raises:
        ReadError: there is no DICOM or NIfTI file, or the single file is damaged.

    Example:
        >>> deidentify_check(scan).clean
        False
    """
    with one_child(path):
        return _checked(Path(path), detect_text)


def _checked(path: Path, detect_text: bool) -> CheckResult:
    """Return the findings of each file, and what could not be read with the reason."""
    from scionwood_deid.copying import inspect, kind_of
    from scionwood_deid.look import NAME, is_record

    looks_by_folder: dict[Path, dict[str, Look]] = {}
    if not path.is_dir():
        return CheckResult([inspect(path, detect_text=detect_text, known=looks_by_folder)], [])
    results, others, count = [], [], 0
    for file in sorted(item for item in path.rglob("*") if item.is_file()):
        if file.name == NAME and is_record(file):
            continue  # it names who looked, and `inspect` reads it
        if kind_of(file) == "other":
            others.append((file, "neither DICOM nor NIfTI, so it was not checked"))
            continue
        count += 1
        try:
            results.append(
                inspect(file, detect_text=detect_text, folder=path, known=looks_by_folder)
            )
        except ReadError as error:
            others.append((file, error.rule))
    if not count:
        rule = "the folder has no DICOM file (with the bytes DICM, or .dcm) and no NIfTI file"
        raise ReadError(str(path), rule, "Give another folder, or name a file")
    return CheckResult(results, others)
