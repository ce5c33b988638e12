"""The clips of the experiments on words: spoken names, and prompts of telephones.

The names lie in tuxpaint-stamps-default (Debian, GPL-2): one speaker a language. The prompts lie in
asterisk-core-sounds-es-wav and -ru-wav (Debian, CC BY-SA): other speakers, at 8 kHz. They are read
where the user unpacked them, and nothing is copied into the repository.
"""

from __future__ import annotations

import re
from pathlib import Path

from runner import write

from scionwood import RecipeError

LANGUAGES = ("es", "ro", "ru")
SHORT, LONG = 3, 26
"""Letters of the shortest and of the longest text."""

FOLDERS = {"es": "es_MX_f_Allison", "ru": "ru_RU_f_IvrvoiceRU"}
NUMBERS = {
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce "
    "quince dieciséis diecisiete dieciocho diecinueve veinte",
    "ru": "ноль один два три четыре пять шесть семь восемь девять десять одиннадцать "
    "двенадцать тринадцать четырнадцать пятнадцать шестнадцать семнадцать восемнадцать "
    "девятнадцать двадцать",
}
"""What is said in digits/0.wav to digits/20.wav, by their names."""

TENS = {
    "es": "treinta cuarenta cincuenta sesenta setenta ochenta noventa",
    "ru": "тридцать сорок пятьдесят шестьдесят семьдесят восемьдесят девяносто",
}
"""What is said in digits/30.wav, 40.wav and so on to 90.wav."""


def write_names(stamps: Path, language: str, target: Path) -> None:
    """Write a table `path,text` of the spoken names of a language; `en` are the English ones."""
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


def write_digits(prompts: Path, language: str, target: Path) -> None:
    """Write a table `path,text` of the numbers 0 to 20 and 30 to 90 of the telephone prompts."""
    said = dict(enumerate(NUMBERS[language].split()))
    said |= {30 + 10 * n: text for n, text in enumerate(TENS[language].split())}
    names = {f"{FOLDERS[language]}/digits/{number}.wav": text for number, text in said.items()}
    rows = [{"path": n, "text": text} for n, text in names.items() if (prompts / n).is_file()]
    write(target, rows)


def found(folder: Path, what: str) -> Path:
    """Return a folder that is there."""
    if not folder.is_dir():
        raise RecipeError(str(folder), f"it holds no {what}", "Unpack the package, see --help")
    return folder
