"""Regional forms, by which a text in dialect is recognised. None of them is a standard form."""

from __future__ import annotations

import re
from functools import cache

from bangla_checker.lexicon import readings
from bangla_checker.text.normalise import normalise

# Forms of eastern dialects as they are written in stories and messages.
_WORDS = """
আফনে আফনি আফনার আফনারে আফনেরা আপনে আপনেরা হ্যায় হেতে হেতারা আমাগো তোমাগো আপনাগো তাগো হেগো তোগো আমরার তোমরার
কিতা ক্যান ক্যামনে ক্যামন অহন এহন তহন যহন কহন এইহানে ওইহানে হেইহানে নাইক্যা হগল হগলে হাছা বেবাক আইচ্ছা বালানি আছেননি
খামু যামু করমু কমু দিমু নিমু আইমু থাকমু দেখমু লমু মারমু পামু হমু চামু ধরমু রাখমু
কইলাম কইলা কইলেন কইল কইলো কইছি কইছে কইছিল কইছিলাম কইতে কইতাম কইয়েন কইরা কইরেন কইরো কইবো কইবা কইস
আইলাম আইলা আইলেন আইলো আইছি আইছে আইছেন আইছিল আইছো আইবো আইবা আইবেন আইবি আইসা আইতে আইতাম
আছিল আছিলাম আছিলা আছিলেন আছিলো
দিছি দিছে দিছেন দিছিল দিছিলাম দিছিলেন নিছি নিছে নিছেন নিছিলাম পাইছিল পাইছিলাম হইছিলো হয়ছিল
হইছে হইছি হইছিল হইলো হইবো হইবা খাইছি খাইছে খাইছো খাইবা খাইবো পাইছি পাইছে পাইছো পাইবা পাইবো যাইবা যাইবো যাইয়েন নাইমা
ধইরা মাইরা বইসা দেইখা রাইখা থাইকা উইঠা শুইনা হুইনা হুনছি হুনছে হুনো হুনেন বইলা চইলা পইড়া ফালাইছে ফালাইলো
"""
# The progressive of the east, করতাছি and করতেছি, and of the north, করতেছস; the literary করিতেছি
# has an ি.
_PROGRESSIVE = re.compile(
    normalise(
        "(?:তা(?:ছ|ছো|ছি|ছে|ছেন|ছস|ছিস|ছিল|ছিলাম|ছিলা|ছিলেন)|তেছস|ত্যাছে|ত্যাছি|তেছ(?:ি|ে|েন|ো|িস|িল|িলো|িলাম|িলে|িলেন))$"
    )
)


@cache
def is_regional(word: str) -> bool:
    """Return whether a word is a regional form that the standard language does not have."""
    if word in _words():
        return True
    return _PROGRESSIVE.search(word) is not None and len(word) > 4 and not readings(word)


@cache
def _words() -> frozenset[str]:
    return frozenset(normalise(_WORDS).split())
