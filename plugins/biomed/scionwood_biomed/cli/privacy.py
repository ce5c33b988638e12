"""The commands `scionwood biomed deidentify` and `deidentify-check`."""

from __future__ import annotations

from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING

from scionwood import ReadError
from scionwood.authoring import InputPath, OutputPath, one_child, print_table
from scionwood_biomed.privacy.choices import Dates, Kept

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scionwood_biomed.privacy.copying import Order
    from scionwood_biomed.privacy.findings import Findings
    from scionwood_biomed.privacy.look import Look
    from scionwood_biomed.privacy.mapping import Entry

_REVIEW = "scionwood biomed review {}"
_EDITION = "rules: Basic Profile of DICOM PS3.15, edition {}"


def deidentify_check(
    path: InputPath, *, detect_text: bool = False, json: bool = False, exit_zero: bool = False
) -> None:
    """List what identifies a person in DICOM and NIfTI files; the exit status is 1 if anything is.

    Pixels that nobody looked at are listed, unless `review.csv` in a folder above the file has a
    look at them as they are now. DICOM is recognised by its content, NIfTI by its ending. The files
    are not changed, and no value is printed. Other files of a folder are listed, and what cannot be
    read counts as a finding.

    Args:
        path: a file, or a folder that is searched with its subfolders.
        detect_text: let a text detector look at pixels that nobody looked at (extra `ocr`); that
            it sees none is no proof.
        json: print JSON.
        exit_zero: end with the exit status 0 even if something identifies a person.

    Raises:
        ReadError: there is no DICOM or NIfTI file, or the single file is damaged.
        SystemExit: something identifies a person.
    """
    from dataclasses import asdict

    with one_child(path):
        results, others = _checked(path, detect_text)
    if json:
        found = [{**asdict(each), "path": str(each.path)} for each in results]
        unread = [{"path": str(name), "unread": reason} for name, reason in others]
        print(dumps([*found, *unread], indent=1))
    else:
        _print_findings(results, others)
    if not exit_zero and (others or not all(each.clean for each in results)):
        raise SystemExit(1)


def deidentify(
    path: InputPath,
    target: OutputPath,
    *,
    key: Path | None = None,
    make_key: bool = False,
    salt: str | None = None,
    dates: Dates = "remove",
    keep: list[Kept] | None = None,
    descriptions: bool = False,
    pixel_rules: InputPath | None = None,
    ultrasound_regions: bool = False,
    pixels_viewed: bool = False,
    detect_text: bool = False,
    private: Path | None = None,
    jobs: int = 1,
    resume: bool = False,
    force: bool = False,
) -> None:
    """Write copies of DICOM and NIfTI files that hold what the Basic Profile keeps, and no more.

    A copy of an image states PatientIdentityRemoved = NO, since nobody looked at its pixels: see
    `scionwood biomed review`. A folder gets a new tree of names, a mapping and a report page, which
    lie apart from the copies. Files of other kinds, structured reports and PDF are listed, and not
    copied.

    Args:
        path: a file, or a folder that is searched with its subfolders.
        target: the file or folder to write.
        key: file with the secret of pseudonyms, UIDs and offsets of dates; keep it apart.
        make_key: make the file `key`, which must not exist.
        salt: a secret text in place of `key`; the history of a shell keeps it.
        dates: remove dates and times, shift dates by a number of days of the patient, or keep them.
        keep: groups of attributes that stay, such as "[device, patient]": device, institution,
            patient (age, sex, size, weight) and uids.
        descriptions: keep the words of imaging of descriptions, such as "T1 AXIAL".
        pixel_rules: a file of regions to blank, in the form of the CTP's pixel anonymiser.
        ultrasound_regions: blank what lies outside of the regions that ultrasound files state.
        pixels_viewed: you looked at all images elsewhere, and their pixels hold no text of a
            person. The record `review.csv` names you, the time, and that it was declared.
        detect_text: let a text detector look at the copies for the report (extra `ocr`). That it
            sees none is no proof.
        private: folder of the mapping and the report; by default TARGET-private.
        jobs: number of processes for a folder.
        resume: go on with a folder: files that were copied with the same options are skipped.
        force: replace the target if it is a file that exists.

    Raises:
        ReadError: a file is damaged or of a kind that is not copied, or the secret is missing.
        OutputExistsError: the target exists, and neither `force` nor `resume` is given.
        WriteError: a file cannot be written.
    """
    from scionwood_biomed.privacy.copying import Order
    from scionwood_biomed.privacy.keys import choose_key
    from scionwood_biomed.privacy.keys import make_key as write_key
    from scionwood_biomed.privacy.pixels import PixelPolicy, read_rules
    from scionwood_biomed.privacy.profile import Profile
    from scionwood_biomed.privacy.text_detector import obstacle

    rules = () if pixel_rules is None else read_rules(pixel_rules)
    if detect_text and (missing := obstacle()):
        remedy = "pip install rapidocr onnxruntime"
        raise ReadError("--detect-text", missing, remedy)
    if make_key:
        if key is None:
            raise ReadError("--make-key", "it needs the name of a file", "Give --key FILE too")
        write_key(key)
    order = Order(
        choose_key(key, salt),
        Profile(dates, tuple(keep or ()), descriptions),
        PixelPolicy(pixels_viewed, ultrasound_regions, rules, detect_text),
    )
    if path.is_dir():
        _folder(path, target, order, private, jobs, resume)
    else:
        _file(path, target, order, force)


def _file(path: Path, target: Path, order: Order, force: bool) -> None:
    from scionwood_biomed.privacy.copying import write_copy
    from scionwood_biomed.privacy.tables import EDITION

    before, after = write_copy(path, target, order, overwrite=force)
    fields = len(before.identity) + len(before.unlisted) + len(before.channels)
    counts = f"{fields} identifying fields removed or replaced, {before.private} private elements"
    print(f"{target}: {counts} removed")
    print(_EDITION.format(EDITION))
    for line in after.header:
        print(f"Not verified, so it does not state YES: {line}")
    if after.burned_in:
        print(f"It does not state YES: {after.burned_in}")
        print(f"Look at them: {_REVIEW.format('a folder of copies')}")


def _folder(
    folder: Path, target: Path, order: Order, private: Path | None, jobs: int, resume: bool
) -> None:
    from scionwood_biomed.privacy import copying, look, mapping, report
    from scionwood_biomed.privacy import folder as walk
    from scionwood_biomed.privacy.tables import EDITION

    if jobs < 1:
        raise ReadError(f"--jobs {jobs}", "it must be 1 or more", "Give a number of processes")
    apart = private or target.with_name(f"{target.name}-private")
    walk.check_apart(folder, target, apart)
    names = walk.find_files(folder)
    table = apart / mapping.NAME
    if not resume and table.exists():
        rule = "it holds the mapping of an earlier run"
        raise ReadError(str(apart), rule, "Give --resume, or another folder with --private")
    entries = mapping.read_mapping(table)
    left = mapping.todo(folder, target, names, entries, order.mark())
    mapping.remove_stale(target, left, entries)
    target.mkdir(parents=True, exist_ok=True)
    with mapping.appending(table) as rows:
        for entry in _progress(walk.copy_all(folder, target, left, order, jobs), len(left)):
            rows.writerow(mapping.row(entry))
            entries[entry.source] = entry
    ours = [entries[name] for name in names]
    if order.pixels.viewed:
        copies = [target / entry.target for entry in ours if entry.status == "copied"]
        with one_child(target):
            copying.declare(target, copies, look.who_looks(None))
    report.write_report(apart / report.NAME, ours, order)
    counts = report.summary_of(ours)
    print(f"{target}: {counts.copied} verified copies, {counts.look} with pixels to look at, "
          f"{counts.found} with findings; {counts.refused} files not copied")  # fmt: skip
    print(_EDITION.format(EDITION))
    print(f"{apart}: the mapping and the report; keep them apart from the copies")
    if counts.look:
        print(f"Nobody looked at the pixels yet: {_REVIEW.format(target)}")
    _print_refused(ours)


def _print_refused(entries: Sequence[Entry]) -> None:
    from collections import Counter

    reasons = Counter(entry.note for entry in entries if entry.status == "refused")
    rows = [(str(count), reason) for reason, count in reasons.most_common()]
    if rows:
        print_table(("files", "why not copied"), rows, numeric=("files",))


def _progress(entries: Iterator[Entry], total: int) -> Iterator[Entry]:
    from rich.console import Console
    from rich.progress import track

    yield from track(entries, "de-identifying", total, console=Console(stderr=True))


def _checked(path: Path, detect_text: bool) -> tuple[list[Findings], list[tuple[Path, str]]]:
    """Return the findings of each file, and what could not be read with the reason."""
    from scionwood_biomed.privacy.copying import inspect, kind_of
    from scionwood_biomed.privacy.look import NAME, is_record

    known: dict[Path, dict[str, Look]] = {}
    if not path.is_dir():
        return [inspect(path, detect_text=detect_text, known=known)], []
    results, others, seen = [], [], 0
    for file in sorted(each for each in path.rglob("*") if each.is_file()):
        if file.name == NAME and is_record(file):
            continue  # it names who looked, and `inspect` reads it
        if kind_of(file) == "other":
            others.append((file, "neither DICOM nor NIfTI, so it was not checked"))
            continue
        seen += 1
        try:
            found = inspect(file, detect_text=detect_text, folder=path, known=known)
            results.append(found)
        except ReadError as error:
            others.append((file, error.rule))
    if not seen:
        rule = "the folder has no DICOM file (with the bytes DICM, or .dcm) and no NIfTI file"
        raise ReadError(str(path), rule, "Give another folder, or name a file")
    return results, others


def _print_findings(results: list[Findings], others: list[tuple[Path, str]]) -> None:
    rows: list[tuple[str, str]] = []
    for each in results:
        lines = each.lines or ["nothing that identifies a person"]
        rows += [(str(each.path), line) for line in lines]
    rows += [(str(path), f"not checked: {reason}") for path, reason in others]
    print_table(("file", "content"), rows)
