"""Compose requests: the addressee, the content, and sometimes the level of address."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from random import Random

from scionwood_bangla.generator.people import (
    addressees,
    first_name,
    genitive,
    objective,
    sender,
    titled,
)
from scionwood_bangla.text.normalise import normalise

_TALK = """
{obj} বলো: {what}
{obj} বলুন: {what}
{obj} বল: {what}
{gen} সঙ্গে কথা বলো। {what}
{gen} সাথে কথা: {what}
{gen} সঙ্গে আলাপ: {what}
{obj} একটি বার্তা পাঠাও। {what}
{obj} একটি মেসেজ লিখুন। {what}
{gen} জন্য কয়েকটি বাক্য লেখো। {what}
{gen} উদ্দেশে কিছু বলো। {what}
{what} {obj} কী বলবে?
{what} {gen} সঙ্গে কীভাবে কথা বলবে?
{from} {obj} বলছে: {what}
{from} {obj} কিছু বলতে চায়। {what}
{from} হিসেবে {obj} বলো। {what}
তুমি {from}। {obj} বলো: {what}
আপনি {gen} সঙ্গে কথা বলছেন। {what}
তুমি {gen} সঙ্গে কথা বলছ। {what}
ধরো, আমি তোমার {nom}। আমাকে বলো: {what}
মনে করুন, আমি {nom}। আমাকে বলুন: {what}
{nom}: {what}
আমার {obj} কথাটা জানাতে চাই। {what}
তোমার {obj} বলো। {what}
আপনার {obj} বলুন। {what}
{gen} কাছে জানতে চাই: {what}
সামনে {nom}। {what}
ফোনে {gen} সঙ্গে কথা। {what}
{what} কথাগুলো {obj} বলতে হবে।
{nom} এসেছে। তাকে বলো: {what}
{nom} দূরে থাকে। তাকে বলো। {what}
{gen} জন্য একটি বার্তা: {what}
{gen} কথা ভেবে তাকে কিছু বলো। {what}
{nom} ফোন করেছে। কী বলবে? {what}
{gen} সঙ্গে দেখা হয়েছে। {what}
{from} ডাকছে {obj}। {what}
একটি সংলাপ লেখো, শ্রোতা {nom}। {what}
"""

_LETTER = """
{obj} একটি চিঠি লেখো। {what}
{obj} একটি চিঠি লিখুন। {what}
{gen} কাছে একটি চিঠি লেখো। {what}
{gen} কাছে চিঠি লিখে দাও। {what}
{gen} কাছে পত্র: {what}
{gen} উদ্দেশে একটি পত্র লেখো। {what}
{what} {gen} কাছে একটি চিঠি চাই।
{what} {obj} চিঠি লিখতে হবে।
{from} {gen} কাছে চিঠি লিখছে। {what}
{from} {obj} চিঠি লেখে। {what}
তোমার {gen} কাছে একটি চিঠি লেখো। {what}
আমার {gen} কাছে চিঠি লিখে দিন। {what}
প্রাপক: {nom}। চিঠির কথা: {what}
{nom} দূরে থাকে। তাকে চিঠি লেখো। {what}
{gen} জন্য একটি চিঠি। {what}
{from} হিসেবে {gen} কাছে একটি চিঠি লেখো। {what}
"""

_APPLICATION = """
{gen} কাছে একটি আবেদনপত্র লেখো। {what}
{gen} কাছে একটি দরখাস্ত লেখো। {what}
{gen} বরাবর একটি আবেদন লিখুন। {what}
{gen} বরাবর আবেদনপত্র: {what}
{from} {gen} কাছে আবেদন করছে। {what}
{what} {gen} কাছে একটি দরখাস্ত দরকার।
{from} হিসেবে {gen} নিকট একটি আবেদনপত্র লেখো। {what}
{obj} একটি আনুষ্ঠানিক চিঠি লিখুন। {what}
"""

_NAMING = {
    "apni": """(আপনি); আপনি বলে সম্বোধন করো।; আপনি করে বলুন।; সম্বোধন: আপনি।; 'আপনি' সম্বোধনে।
        সম্মান দিয়ে বলো।; ভদ্রভাবে, আপনি করে।; আপনি ব্যবহার করো।; সম্মানসূচক ভাষায়।
        আনুষ্ঠানিক ভাষায়, আপনি দিয়ে।; স্তর: আপনি""",
    "tumi": """(তুমি); তুমি বলে সম্বোধন করো।; তুমি করে বলুন।; সম্বোধন: তুমি।; 'তুমি' সম্বোধনে।
        তুমি ব্যবহার করো।; তুমি দিয়ে লেখো।; সহজ ভাষায়, তুমি করে।; তুমি বলেই কথা হবে।; স্তর: তুমি""",
    "tui": """(তুই); তুই বলে সম্বোধন করো।; তুই করে বলুন।; সম্বোধন: তুই।; 'তুই' সম্বোধনে।; তুই ব্যবহার করো।
        তুই দিয়ে লেখো।; তুই-তোকারি করে।; আদর করে, তুই বলে।; তুই বলেই কথা হবে।; স্তর: তুই""",
}

_MANNER = """ছোট করে।; দুই-তিন বাক্যে।; সংক্ষেপে।; বাংলায়।; সহজ করে।; কয়েক লাইনে।; একটু গুছিয়ে।
    যেমন হয় তেমন।; খুব ভালো করে।; আজকের জন্য।"""

# Other words of requests. They do not imply a level.
_OTHER_WORDS = """যে; কি না; সে; তার; তাকে; নিয়ে; জন্য; কথা; চাই; বলব; লিখছি; জানতে
    জিজ্ঞেস করি,; কবে; কেন; কোথায়; অনেক দিন পর; বাড়িতে; রাস্তায়; নিজের; দুই
    এক; একটু; খবর; মনে করিয়ে; অনুরোধ; জানিয়ে; বলছি,; ডাকছি; শোনাব; হিসেবে
    সম্পর্কে; গিয়ে; দেখে; শুনে; সকালে; বিকেলে; স্কুলে; অফিসে; দোকানে; হাসপাতালে
    মেলায়; টাকা; বই; ভাত; পানি; কাজ; আসতে; দিতে; করতে; খেতে"""
STIRRED = 0.5
"""The share of requests in which some words are left out and others are inserted."""

_NEUTRAL = """একজন মানুষ; পরিচিত একজন; আত্মীয়; প্রতিবেশী; লোকটি; সঙ্গী; মামা; চাচা; খালা; কাকা"""


@dataclass(frozen=True)
class Request:
    """The addressee of a request.

    Attributes:
        nom: the addressee as a noun without a case ending.
        naming: a remark that names the level. It is empty if the addressee implies the level.
    """

    nom: str
    naming: str


def ask_for(level: str, random: Random) -> Request:
    """Return an addressee for a level. An addressee that implies no level gets a naming remark.

    Args:
        level: `tui`, `tumi` or `apni`.
        random: draws the addressee and the remark.
    """
    naming = random.choice(_lines(_NAMING[level]))
    chance = random.random()
    if chance < 0.60:
        return Request(random.choice(addressees(level)), naming if chance < 0.12 else "")
    if chance < 0.70 and level != "tui":
        return Request(titled(level, random), "")
    if chance < 0.80:
        return Request(first_name(random), naming)
    if chance < 0.90:
        return Request(random.choice(_lines(_NEUTRAL)), naming)
    other = random.choice(("tui", "tumi", "apni"))  # the explicit level takes precedence
    return Request(random.choice(addressees(other)), naming)


def request(kind: str, addressee: Request, what: str, random: Random) -> str:
    """Return the request of the user.

    Args:
        kind: `talk`, `letter` or `application`.
        addressee: the addressee, and the remark that names the level.
        what: the content, as a separate sentence.
        random: draws the wording.
    """
    wording = random.choice(_lines({"talk": _TALK, "letter": _LETTER}.get(kind, _APPLICATION)))
    if random.random() < STIRRED:
        wording = _stirred(wording, random)
    text = wording.format_map(
        {
            "nom": addressee.nom,
            "obj": objective(addressee.nom),
            "gen": genitive(addressee.nom),
            "from": sender(random),
            "what": what,
        }
    )
    parts = [text]
    if addressee.naming:
        parts.insert(random.random() < 0.7, addressee.naming)
    if random.random() < 0.2:
        parts.insert(random.random() < 0.5, random.choice(_lines(_MANNER)))
    return " ".join(parts)


def _stirred(wording: str, random: Random) -> str:
    """Leave out some words and insert others, so that a model cannot rely on a fixed wording."""
    words = []
    for word in wording.split():
        chance = random.random()
        if "{what}" in word:
            chance *= 0.75  # the content may be left out too
        if ("{" not in word or "{what}" in word) and chance < 0.25:
            continue
        words.append(word)
    for _ in range(random.randint(1, 5)):
        words.insert(random.randint(0, len(words)), random.choice(_lines(_OTHER_WORDS)))
    return " ".join(words)


@cache
def _lines(text: str) -> tuple[str, ...]:
    rows = normalise(text).strip()
    parts = rows.split("\n") if "{what}" in rows else rows.replace("\n", ";").split(";")
    return tuple(part.strip() for part in parts if part.strip())
