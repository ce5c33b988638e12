"""The commands `scionwood bangla audit | serve`."""

from __future__ import annotations

from pathlib import Path

from scionwood import RecipeError, print_table
from scionwood_bangla.cli.shared import print_json, progress_bar


def audit(corpus: Path, *, n: int = 20, seed: int = 0, json: bool = False) -> None:
    """Print the flags per 1,000 words of a corpus, a random sample of them, and the coverage.

    Read the sample: in prose that was written with care, most flags are false. Coverage is the
    share of the words with an ending of finite verbs that the lexicon knows.

    Args:
        corpus: a text file, or a folder. Files .txt, .md and .jsonl at any depth of it are read.
        n: the largest number of flags in the sample.
        seed: the seed of the sample.
        json: print JSON.

    Raises:
        ReadError: there is no such file.
        RecipeError: `n` is negative.
    """
    from scionwood_bangla.evaluation.audit import as_record, audit_files, files_below

    if n < 0:
        raise RecipeError(f"n={n}", "it must be at least 0", "Such as 20")
    paths = files_below(corpus)
    with progress_bar("files", len(paths)) as progress:
        found = audit_files(paths, progress=progress)
    sample = found.sample(n, seed)
    if json:
        print_json(as_record(found, sample))
        return
    rows: list[list[str | int]] = [["texts", found.texts], ["words", found.words]]
    rows += [["finite verbs", found.verbs], ["of them judged", found.judged]]
    rows += [[f"flags, {rule}", number] for rule, number in sorted(found.flags.items())]
    rows.append(["flags per 1,000 words", f"{found.per_thousand:.2f}"])
    rows.append(["finite verbs known", f"{found.coverage:.3f}"])
    print_table(["measure", "value"], rows, numeric=["value"])
    for flag in sample:
        print(f"{flag.file}: {flag.rule}: {flag.reason}\n    {flag.context}")
    for reason in found.refused:
        print(f"left out: {reason}")


def serve(*, port: int = 8765) -> None:
    """Serve a page on this machine that checks a pasted text. Stop it with Ctrl+C.

    Only this machine can open the page. It loads nothing from elsewhere, and keeps no text.

    Args:
        port: the port; 0 chooses a free one.

    Raises:
        RecipeError: the port cannot be used.
    """
    from scionwood_bangla.evaluation.server import page_server

    with page_server(port) as server:
        print(f"http://127.0.0.1:{server.server_address[1]}/", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("stopped")
