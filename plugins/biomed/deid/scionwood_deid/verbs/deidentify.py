"""Write copies without what identifies a person: `scionwood-deid`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from scionwood_deid.choices import DeidentifyOptions, Profile
from scionwood_deid.verbs.command_line import print_table, prints
from scionwood_sandbox import ReadError, one_child

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scionwood_deid.findings import Findings
    from scionwood_deid.mapping import Entry
    from scionwood_deid.order import Order

_REVIEW = "scionwood-deid-review {}"
_EDITION = "rules: Basic Profile of DICOM PS3.15, edition {}"


class CopyResult(NamedTuple):
    """What a de-identified copy of one file rests on.

    Attributes:
        before: what the original file contained.
        after: what the verifier finds in the copy.

    Example:
        >>> CopyResult._fields
        ('before', 'after')
    """

    before: Findings
    after: Findings


class FolderResult(NamedTuple):
    """The files of a folder, and the folder of the mapping and the report.

    Attributes:
        entries: each file: its copy, or the reason why there is none.
        private: the folder of the mapping and the report.

    Example:
        >>> FolderResult._fields
        ('entries', 'private')
    """

    entries: list[Entry]
    private: Path


def _print_result(result: CopyResult | FolderResult, target: Path) -> None:
    if isinstance(result, CopyResult):
        _print_copy(result, target)
    else:
        _print_folder(result, target)


@prints(_print_result)
def deidentify(
    path: Path,
    target: Path,
    options: DeidentifyOptions = DeidentifyOptions(),
    *,
    private: Path | None = None,
    jobs: int = 1,
    resume: bool = False,
    force: bool = False,
) -> CopyResult | FolderResult:
    """Write copies of DICOM and NIfTI files that hold what the Basic Profile keeps, and no more.

    A copy of an image states PatientIdentityRemoved = NO, since nobody looked at its pixels: see
    `scionwood-deid-review`. A folder gets a new tree of names, a mapping and a report page, which
    lie apart from the copies. Files of other kinds and documents are listed, and not copied.

    Args:
        path: a file, or a folder that is searched with its subfolders.
        target: the file or folder to write.
        options: the secret, what stays, and what is done about pixels.
        private: folder of the mapping and the report; by default TARGET-private.
        jobs: number of processes for a folder.
        resume: go on with a folder: files that were copied with the same options are skipped.
        force: replace the target if it is a file that exists.

    Returns:
        For a file what it and its copy contain; for a folder its files.

    Raises:
        ReadError: a file is damaged or of a kind that is not copied, or the secret is missing.
        OutputExistsError: the target exists, and neither `force` nor `resume` is given.
        WriteError: a file cannot be written.

    Example:
        >>> target = f"{scan}.anonymous.dcm"
        >>> before = deidentify(scan, target, DeidentifyOptions(salt="secret")).before
        >>> inspect(target).lines
        ['text in the pixels: pixels not looked at']
    """
    from scionwood_deid.copying import write_copy

    path, target = Path(path), Path(target)
    order = _order(options)
    if path.is_dir():
        apart = private or target.with_name(f"{target.name}-private")
        return FolderResult(_copy_folder(path, target, order, apart, jobs, resume), apart)
    return CopyResult(*write_copy(path, target, order, overwrite=force))


def _order(options: DeidentifyOptions) -> Order:
    """Return the order that the options describe, with its secret and rules read."""
    from scionwood_deid.keys import choose_key, make_key
    from scionwood_deid.order import Order
    from scionwood_deid.pixels import PixelPolicy, read_rules
    from scionwood_deid.seeds import read_names
    from scionwood_deid.text_detector import obstacle

    rules = () if options.pixel_rules is None else read_rules(Path(options.pixel_rules))
    option = "--blank-text" if options.blank_text else "--detect-text"
    if (options.detect_text or options.blank_text) and (missing := obstacle()):
        raise ReadError(option, missing, "pip install rapidocr onnxruntime")
    key = None if options.key is None else Path(options.key)
    if options.make_key:
        if key is None:
            raise ReadError("--make-key", "it needs the name of a file", "Give --key FILE too")
        make_key(key)
    return Order(
        choose_key(key, options.salt),
        Profile(options.dates, options.keep, options.descriptions, options.reports),
        PixelPolicy(
            options.pixels_viewed,
            options.ultrasound_regions,
            rules,
            options.detect_text,
            options.blank_text,
        ),
        () if options.names is None else read_names(options.names),
    )


def _copy_folder(
    folder: Path, target: Path, order: Order, private: Path, jobs: int, resume: bool
) -> list[Entry]:
    from scionwood_deid import copying, look, mapping, report
    from scionwood_deid import folder as walk

    if jobs < 1:
        raise ReadError(f"--jobs {jobs}", "it must be 1 or more", "Give a number of processes")
    walk.check_apart(folder, target, private)
    names = walk.find_files(folder)
    table = private / mapping.NAME
    if not resume and table.exists():
        rule = "it holds the mapping of an earlier run"
        raise ReadError(str(private), rule, "Give --resume, or another folder with --private")
    entries = mapping.read_mapping(table)
    left = mapping.todo(folder, target, names, entries, order.mark())
    mapping.remove_stale(target, left, entries)
    target.mkdir(parents=True, exist_ok=True)
    with mapping.appending(table) as rows:
        for entry in _progress(walk.copy_all(folder, target, left, order, jobs), len(left)):
            rows.writerow(mapping.row(entry))
            entries[entry.source] = entry
    files = [entries[name] for name in names]
    if order.pixels.viewed:
        copies = [target / entry.target for entry in files if entry.status == "copied"]
        with one_child(target):
            copying.declare(target, copies, look.who_looks(None))
    report.write_report(private / report.NAME, files, order)
    return files


def _print_copy(result: CopyResult, target: Path) -> None:
    from scionwood_deid.tables import EDITION

    before, after = result
    fields = len(before.identity) + len(before.unlisted) + len(before.channels)
    counts = f"{fields} identifying fields removed or replaced, {before.private} private elements"
    print(f"{target}: {counts} removed")
    print(_EDITION.format(EDITION))
    for line in after.header:
        print(f"Not verified, so it does not state YES: {line}")
    if after.burned_in:
        print(f"It does not state YES: {after.burned_in}")
        print(f"Look at them: {_REVIEW.format('a folder of copies')}")


def _print_folder(result: FolderResult, target: Path) -> None:
    from scionwood_deid.report import summary_of
    from scionwood_deid.tables import EDITION

    counts = summary_of(result.entries)
    print(f"{target}: {counts.copied} verified copies, {counts.look} with pixels to look at, "
          f"{counts.found} with findings; {counts.refused} files not copied")  # fmt: skip
    print(_EDITION.format(EDITION))
    print(f"{result.private}: the mapping and the report; keep them apart from the copies")
    if counts.look:
        print(f"Nobody looked at the pixels yet: {_REVIEW.format(target)}")
    _print_refused(result.entries)


def _print_refused(entries: Sequence[Entry]) -> None:
    from collections import Counter

    reasons = Counter(entry.note for entry in entries if entry.status == "refused")
    rows = [(str(count), reason) for reason, count in reasons.most_common()]
    if rows:
        print_table(("files", "why not copied"), rows)


def _progress(entries: Iterator[Entry], total: int) -> Iterator[Entry]:
    """Show on a terminal how many files are done."""
    for count, entry in enumerate(entries, 1):
        if sys.stderr.isatty():
            ending = "\n" if count == total else ""
            print(f"\r{count} of {total} files", end=ending, file=sys.stderr, flush=True)
        yield entry
