"""Check texts of a corpus, of a page and of an editor: `scionwood bangla audit | serve | lsp`."""

from __future__ import annotations

from pathlib import Path

from scionwood import RecipeError
from scionwood.authoring import print_table
from scionwood_bangla.verbs.options import AddressOptions
from scionwood_bangla.verbs.shared import print_json, progress_bar


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
        result = audit_files(paths, progress=progress)
    sample = result.sample(n, seed)
    if json:
        print_json(as_record(result, sample))
        return
    rows: list[list[str | int]] = [["texts", result.texts], ["words", result.words]]
    rows += [["finite verbs", result.verbs], ["of them judged", result.judged]]
    rows += [[f"flags, {rule}", number] for rule, number in sorted(result.flags.items())]
    rows.append(["flags per 1,000 words", f"{result.per_thousand:.2f}"])
    coverage = f"{result.coverage:.3f}" if result.finite else "none counted"
    rows.append(["finite verbs known", coverage])
    print_table(["measure", "value"], rows, numeric=["value"])
    for flag in sample:
        print(f"{flag.file}: {flag.rule}: {flag.reason}\n    {flag.context}")
    for reason in result.refused:
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


def lsp(options: AddressOptions = AddressOptions()) -> None:
    """Answer an editor over standard input and output, by the Language Server Protocol.

    The editor starts this command. It shows each fault beside its word, offers the words to write
    instead, and rewrites the text at one level. It needs the extra `lsp`.

    Args:
        options: the accepted levels. Without a register, all levels are accepted, or those that
            the editor names in its initialization options.

    Raises:
        RecipeError: a level is unknown, or pygls is not installed.
    """
    import os
    import sys
    from importlib.util import find_spec

    from scionwood_bangla.lexicon.levels import levels_of

    levels = levels_of(options.register)
    if find_spec("pygls") is None:
        raise RecipeError("lsp", "it needs pygls", "pip install pygls")
    from scionwood_bangla.evaluation.editor import language_server

    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as pipe:  # pygls closes it at the end
        language_server(levels, chandrabindu=options.chandrabindu).start_io(stdout=pipe)
