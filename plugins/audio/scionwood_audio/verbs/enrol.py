"""Store examples of words: `scionwood audio enrol`."""

from __future__ import annotations

from pathlib import Path

from scionwood import ReadError
from scionwood.authoring import OutputPath


def enrol(
    clips: list[Path],
    target: OutputPath,
    *,
    word: str | None = None,
    force: bool = False,
) -> None:
    """Store clips of words for `scionwood audio spot --enrolled`; nothing is trained.

    A clip is compared by dynamic time warping on layer 2 of the frozen encoder. One clip of a
    speaker finds the same word of the same speaker; for other speakers, train with texts.

    Args:
        clips: sounds, one take of one word each; `una_rana.2.wav` says `una rana`.
        target: the file to write, .npz.
        word: what all clips say, whatever their names are.
        force: replace the file if it exists.

    Raises:
        ReadError: a clip is damaged or missing.
        WriteError: the file cannot be written.

    Example:
        >>> from pathlib import Path
        >>> from scionwood_audio import enrol
        >>> from scionwood_audio.readers.sound import SoundReader
        >>> SoundReader.write_sample(Path("frog.wav"))
        >>> enrol([Path("frog.wav")], Path("frog.npz"))
        1 clips of 1 words: frog.npz
    """
    from scionwood.authoring import check_target
    from scionwood_audio.inference.enrolment import write_enrolment
    from scionwood_audio.inference.sounds import read_sound

    check_target(target, overwrite=force)
    takes = []
    for clip in clips:
        if not clip.is_file():
            raise ReadError(str(clip), "there is no such file", "Name the sounds, then OUT.npz")
        takes.append((word or clip.name.split(".")[0].replace("_", " "), read_sound(clip)))
    write_enrolment(takes, target, overwrite=force)
    print(f"{len(takes)} clips of {len({word for word, _ in takes})} words: {target}")
