"""The parts of a letter and their order."""

from __future__ import annotations

from bangla_checker import check_text, normalise, parts, structure_score
from bangla_checker.checks.letters import is_private

FORMAL = normalise(
    "তারিখ: ১০ মার্চ ২০২৬\nবরাবর,\nপ্রধান শিক্ষক\nবিষয়: ছুটির আবেদন\nজনাব,\n"
    "আমি জ্বরের কারণে তিন দিন বিদ্যালয়ে আসতে পারিনি।\nবিনীত নিবেদক\nরফিক\n"
)
PRIVATE = normalise("১২ জুন ২০২৬\nপ্রিয় রাহাত,\nতোমার চিঠি পেয়ে আমি খুব খুশি হয়েছি।\nইতি\nতোমার বন্ধু করিম\n")


def reasons(text: str, letter: bool | None = None) -> list[str]:
    return [f.reason for f in check_text(text, letter=letter).faults if f.rule == "structure"]


def without(text: str, start: str) -> str:
    return "".join(ln for ln in text.splitlines(keepends=True) if not ln.startswith(start))


def test_finds_each_part_on_its_line():
    lines = {name: part.line for name, part in parts(FORMAL).items()}
    assert lines == {
        "date": 0,
        "recipient": 1,
        "subject": 3,
        "salutation": 4,
        "body": 5,
        "closing": 6,
    }


def test_a_complete_letter_has_no_fault_and_a_private_one_needs_fewer_parts():
    assert reasons(FORMAL) == reasons(PRIVATE) == []
    assert structure_score(FORMAL) == structure_score(PRIVATE) == 1.0
    assert is_private(parts(PRIVATE))
    assert not is_private(parts(FORMAL))


def test_names_a_missing_part():
    assert reasons(without(FORMAL, normalise("বিষয়"))) == ["the letter has no subject"]
    assert reasons(without(FORMAL, "তারিখ")) == ["the letter has no date"]
    assert structure_score(without(FORMAL, "তারিখ")) == 5 / 6


def test_names_a_misplaced_part():
    lines = FORMAL.splitlines()
    lines[3], lines[4] = lines[4], lines[3]
    assert reasons("\n".join(lines)) == ["the subject must come before the salutation"]
    first, rest = FORMAL.split("\n", 1)
    assert reasons(rest + first) == []  # the date may be beside the signature


def test_other_texts_are_not_checked_as_letters_by_default():
    assert reasons("আমি ভালো আছি।") == []
    assert "the letter has no salutation" in reasons("আমি ভালো আছি।", letter=True)
