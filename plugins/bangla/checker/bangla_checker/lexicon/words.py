"""Homographs of verb forms, and the function words that the checker uses."""

from __future__ import annotations

from functools import cache

from bangla_checker.lexicon.morphology import splits
from bangla_checker.lexicon.paradigm import forms
from bangla_checker.text.normalise import normalise

# These words are hardly ever verbs, so their verb readings are dropped.
_NEVER_VERBS = """
পানি ঘটনা ভাবনা করোনা খেলনা আয়না ঢাকনা শুকনা খানা পাওনা পাবনা দেনা ধোনি খানি বুনো ছোটো ছুটি ছুটিতে হাসিতে বাড়িতে হারে মানব
লিখিত মিলিত মেল সরল কেনো সস মরিস বাড়িও হারিস
কেন যেন তবে পর কাছ ছাড়া থেকে চেয়ে দিয়ে নিয়ে পরে ধরে হয়তো মানে পরা পারা ভরা আসল ছোট ভুল বোন
হার কাটা মাথা কমা লাগা সরা চলা খোলা ঢাকা বাড়ি পাকা হারা মরা বাঁধ মেলা সন সও হল হত খেত কম সাজা ভর
বাজে ভাবে চলতি আনিস বসন ধুলো তাকা পড়ুয়া মিলিস রওনা
হাসান জমি জমিতে কামাল জুটি জুটিতে পাড়ি ফাঁসি ফাঁসিতে ফাঁস মাতাল কামান ফাটল গলি গলিতে ডুবি হানি রহিত
গলিত মানিত সরাইল মিশুক কুড়াল ঝুলি ঝুলিতে রস রন রক খাটো ফুটো কামাই জমান জোগান চড়াই পাকি উড়ো ভাজি
শেখ ফের বানান পাঠান চালান হাসি মিলে নামে ডাকে সাজে জেরে জোরে পাশে হারুন
ফলে হরে লক কচ্ছ পটিয়া পুরিয়া নাইনে মথে জপে
ফলো টেকো সারা সারাই ছাড়াও ছাড়াই রাগ রাগে রাগবি রাগিব ছাপ ছাপা তাড়া তাড়াইল মাজা মাজার মাজ মেজো মেজে বিছা বিছানা ভেজাল ঘেরাও ঘের
বাঁকা ঢাল ঢালি ঢালাই ঢালাও টেপ টিপি হেলাল হেলান হেলায় নড়াইল নড়াইলে বিলাল বিলাস বিলাই বিলাতে ছাঁটাই ছাঁকনি চাট চাটনি
কাচ কাচা কাচে কাচি পেঁচা রাঙা পরান ঝাড় মাপ মাড়াই হাঁক টাঙাইল রাগত
"""

# Verb forms that may also be nouns or other words. Only the position in the sentence decides.
_HOMOGRAPHS = """
কর খান দিন যান গান পান চান মান জান বল চল ধর ভাব নাম ডাক হাস লেখা পড়া দেখা বলে করে আসলে হলে বলতে পাস খাস নাও
তোল মার থাক রাখি বলি কাট পড় বস মর চড় সর গড় ঘট লড় খেল ফেল বেচ জেত শোন বোঝ খোল ওঠ ঘোর খোঁজ পোড় ভোল ছাড় থাম
সাজ জাগ লাগ বাড় আন আয় যা খা পা চা গা দে নে হ শো ধো যাক হাট বাজান সাজান জানা খাওয়া এলো হন কমান বসান শোনা নয় ধরুন
ফেরা বসা নামা ওঠা বাঁচা শেখা বোঝা বেড়া চালা দাঁড়া নাচ চেন হবি চিনি সই মানি পাক দিক তুলো দেখান কমে মরে
গলায় পাড়ায় ছড়ায় জমে চাপে পাড়ে পাকে মেটে গলে খাটে হটে চড়াও রও ঘটান কুড়ান ফলাও খেলাই
ভাবা চেনা ভাঙা ভেজা হাঁটা ফোটা মাখা ঢোকা নাচা শোয়া ঝোলা ছোটা ডোবা নড়া ঝাড়ি টেপে ঢালে মাপে ছাপে মাজে ঝোলায় ছাড়ায় বোলান
হলি খাবি দিস
দেখি দেখছি পার দৌড়া বোস পড়ায় নামত পারি মারি সারি পারো ধার শুক নিন নিই যাই ছাড়ো লুকা দেখা বাজা বানা থামা মেটা করা হোক
"""


@cache
def never_verbs() -> frozenset[str]:
    """Return the words whose verb readings are dropped."""
    return _words(_NEVER_VERBS)


@cache
def homographs() -> frozenset[str]:
    """Return the verb forms that may also be another word."""
    return _words(_HOMOGRAPHS)


def is_homograph(word: str) -> bool:
    """Return whether a normalised word, after removal of clitics, may also be another word."""
    bare = stripped(word) if word not in forms() else []
    return any(form in homographs() or _is_bare_stem(form) for form in (word, *bare))


@cache
def _is_bare_stem(form: str) -> bool:
    # A form without an ending, an imperative of `tui` or `tumi`, is usually a noun.
    finite = [reading for reading in forms().get(form, ()) if reading.subject]
    tenses = {reading.tense for reading in finite}
    bare = "imperative" in tenses <= {"imperative", "present"} and not form.endswith(
        ("ো", "িস", "ও", "স")
    )
    return bool(finite) and bare and all(r.subject in ("tui", "tumi") for r in finite)


@cache
def polite_calls() -> frozenset[str]:
    """Return the respectful vocatives, which require the polite level."""
    return _words("""জনাব জনাবা মহোদয় মহোদয়া স্যার ম্যাডাম মহাশয় মহাশয়া মান্যবর মাননীয় মাননীয়া হুজুর মহামান্য""")


def stripped(word: str) -> list[str]:
    """Return a word without each ending with which it may end."""
    return [bare for bare, ending in splits(word) if ending]


def _words(text: str) -> frozenset[str]:
    return frozenset(normalise(text).split())
