"""The clips of the experiments on words: spoken names, and prompts of telephones.

The names lie in tuxpaint-stamps-default (Debian, GPL-2): one speaker a language. The prompts lie in
asterisk-core-sounds-es-wav and -ru-wav (Debian, CC BY-SA): other speakers, at 8 kHz. They are read
where the user unpacked them, and nothing is copied into the repository.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from runner import write

from scionwood import RecipeError
from scionwood_audio.data.clips import Clip, distinct
from scionwood_audio.inference.sounds import read_sound
from scionwood_audio.model.mel import RATE
from scionwood_audio.model.spelling import latin

LANGUAGES = ("es", "ro", "ru")
SHORT, LONG = 3, 26
"""Letters of the shortest and of the longest text."""

FOLDERS = {"es": "es_MX_f_Allison", "ru": "ru_RU_f_IvrvoiceRU"}
NUMBERS = {
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince "
    "dieciséis diecisiete dieciocho diecinueve veinte",
    "ru": "ноль один два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать "
    "тринадцать четырнадцать пятнадцать шестнадцать семнадцать восемнадцать девятнадцать двадцать",
}
"""What is said in digits/0.wav to digits/20.wav, by their names."""

TENS = {
    "es": "treinta cuarenta cincuenta sesenta setenta ochenta noventa",
    "ru": "тридцать сорок пятьдесят шестьдесят семьдесят восемьдесят девяносто",
}
"""What is said in digits/30.wav, 40.wav and so on to 90.wav."""


def write_names(stamps: Path, language: str, target: Path) -> None:
    """Write a table `path,text` of the spoken names of a language; `en` are the English ones.

    Args:
        stamps: the folder `stamps` of tuxpaint.
        language: such as es.
        target: the CSV file.
    """
    end = "_desc.ogg" if language == "en" else f"_desc_{language}.ogg"
    rows = []
    for sound in sorted(stamps.rglob(f"*{end}")):
        sheet = sound.with_name(sound.name.removesuffix(end) + ".txt")
        if not sheet.is_file():
            continue
        lines = sheet.read_text("utf-8", errors="replace").splitlines()
        mark = f"{language}.utf8="
        named = [line.removeprefix(mark) for line in lines if line.startswith(mark)]
        text = lines[0] if language == "en" else (named or [""])[0]
        text = re.sub(r"[^\w -]", "", text).strip().lower()
        if SHORT <= len(text) <= LONG and not re.search(r"\d", text):
            rows.append({"path": str(sound.relative_to(stamps)), "text": text})
    write(target, rows)


def read_digits(prompts: Path, language: str) -> list[Clip]:
    """Return the numbers 0 to 20 and 30 to 90 of the telephone prompts, trimmed of silence.

    Args:
        prompts: the folder `sounds` of Asterisk.
        language: es or ru.
    """
    folder = prompts / FOLDERS[language] / "digits"
    said = dict(enumerate(NUMBERS[language].split()))
    said |= {30 + 10 * n: text for n, text in enumerate(TENS[language].split())}
    files = {folder / f"{number}.wav": text for number, text in said.items()}
    clips = [_clip(path, latin(text)) for path, text in files.items() if path.is_file()]
    return distinct(clips)


def _clip(path: Path, text: str) -> Clip:
    sound = read_sound(path)
    loud = np.flatnonzero(np.abs(sound) > 0.02 * np.abs(sound).max())
    start, end = max(0, loud[0] - RATE // 20), loud[-1] + RATE // 20
    return Clip(sound[start:end], text, path.parent.parent.name, path.name)


def found(folder: Path, what: str) -> Path:
    """Return a folder that is there.

    Raises:
        RecipeError: it is not.
    """
    if not folder.is_dir():
        raise RecipeError(str(folder), f"it holds no {what}", "Unpack the package, see --help")
    return folder
