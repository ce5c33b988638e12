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
    window: float = 3.0,
    weights: str = "package",
    force: bool = False,
) -> None:
    """Store clips of words for `scionwood audio spot --enrolled`; nothing is trained.

    A clip is compared by dynamic time warping on layer 2 of the frozen encoder. One clip of a
    speaker finds the same word of the same speaker; for other speakers, train with texts.

    Args:
        clips: sounds, one take of one word each; `una_rana.2.wav` says `una rana`.
        target: the file to write, .npz.
        word: what all clips say, whatever their names are.
        window: seconds of the window; the search uses the same.
        weights: package, a folder, a name on the hub, or random.
        force: replace the file if it exists.

    Raises:
        ReadError: a clip is damaged or missing.
        RecipeError: a clip is longer than the window.
        WriteError: the file cannot be written.

    Example:
        >>> from pathlib import Path
        >>> from scionwood_audio import enrol
        >>> from scionwood_audio.readers.sound import SoundReader
        >>> SoundReader.write_sample(Path("frog.wav"))
        >>> enrol([Path("frog.wav")], Path("frog.npz"), weights="random", window=1.0)
        1 clips of 1 words: frog.npz
    """
    from scionwood.authoring import check_target
    from scionwood_audio.inference import enrolment
    from scionwood_audio.inference.sounds import read_sound

    check_target(target, overwrite=force)
    for clip in clips:
        if not clip.is_file():
            raise ReadError(str(clip), "there is no such file", "Name the sounds, then OUT.npz")
    names = (word or clip.name.split(".")[0].replace("_", " ") for clip in clips)
    takes = [(name, read_sound(clip)) for name, clip in zip(names, clips, strict=True)]
    stored = enrolment.enrol(takes, window=window, weights=weights)
    enrolment.write_enrolment(stored, target, overwrite=force)
    print(f"{len(clips)} clips of {len(set(stored.words))} words: {target}")
