"""The building blocks of generated sentences: acts, times and occasions.

A slot in angle brackets is filled at a level of address: `<nom>`, `<gen>` and `<obj>` by a pronoun,
and `<VERB:TENSE>` by a verb form.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from scionwood_bangla.text.normalise import normalise

# A verbal noun, then its possible objects.
_ACTS = """
করা কাজটি|অঙ্কটি|বাজার|ফোন; বলা কথাটি|গল্পটি|সত্যি কথা; পড়া বইটি|চিঠিটি|কবিতাটি
লেখা চিঠিটি|গল্পটি|আবেদনটি|রচনাটি; শেখা গানটি|ভাষাটি|সাঁতার; কেনা বইটি|শাড়িটি|মাছ|ফুল
দেখা ছবিটি|খেলাটি|নাটকটি; শোনা গানটি|খবরটি|বক্তৃতাটি; রাখা বইটি|টাকাটি|চাবিটি
আনা বইটি|ছাতাটি|মিষ্টি; খাওয়া ভাত|মিষ্টি|ওষুধ; পাওয়া চিঠিটি|টাকাটি|খবরটি; দেওয়া বইটি|উত্তরটি|টাকাটি
নেওয়া ছুটি|বইটি|বিশ্রাম; যাওয়া বাজারে|গ্রামে|স্কুলে; আসা এখানে|অফিসে|মেলায়; খেলা ফুটবল|ক্রিকেট|দাবা
খোলা দরজাটি|দোকানটি|জানালাটি; ধরা মাছটি|বাসটি; তোলা ছবিটি|ফুলটি|টাকাটি; বোঝা ব্যাপারটি|কথাটি
খোঁজা চাবিটি|কলমটি; চেনা লোকটিকে|পথটি; ফেরা ঢাকায়|গ্রামে; বেচা গাড়িটি|জমিটি|বইগুলো
কাটা গাছটি|কাপড়টি|ফলটি; রাঁধা ভাত|তরকারি; গাওয়া গানটি; চাওয়া সাহায্য|টাকাটি; জানা খবরটি|ঠিকানাটি
ডাকা ডাক্তারকে|মিস্ত্রিকে; ভাবা বিষয়টি|কথাটি; হাঁটা পার্কে|মাঠে; ভাঙা তালাটি|দেয়ালটি
ছেঁড়া কাগজটি|চিঠিটি; বাঁধা বইগুলো|ব্যাগটি; পাঠানো চিঠিটি|টাকাটি|ছবিগুলো; দেখানো ছবিটি|কাগজটি
শেখানো গানটি|অঙ্কটি; বানানো চা|ঘুড়িটি; চালানো গাড়িটি|সাইকেলটি; জানানো খবরটি|সিদ্ধান্তটি
সাজানো ঘরটি|টেবিলটি; বোঝানো অঙ্কটি|ব্যাপারটি; শোনানো গানটি|গল্পটি; বাজানো বাঁশিটি|গিটারটি
থামানো গাড়িটি|খেলাটি; নামানো বাক্সটি|ব্যাগটি; লুকানো চাবিটি|বইটি; ঢাকা খাবারটি|ছবিটি
ফেলা কাগজটি|খোসাটি; ভোলা কথাটি|নামটি
"""

_TIMES = {
    "present": "প্রতিদিন|রোজ|সাধারণত|প্রায়ই",
    "continuous": "এখন|এই মুহূর্তে|আজকাল",
    "perfect": "ইতিমধ্যে|এর মধ্যে|আজ",
    "past": "গতকাল|সেদিন|একটু আগে",
    "habitual": "আগে|একসময়|ছোটবেলায়",
    "past_continuous": "তখন|সেই সময়|গতকাল সন্ধ্যায়",
    "past_perfect": "গত বছর|অনেক আগে|গত মাসে",
    "future": "আগামীকাল|পরে|আগামী সপ্তাহে",
    "imperative": "এখনই|একটু|আজই",
    "future_imperative": "কাল সকালে|পরে একবার|সময় পেলে",
}

# Tenses of commands. Their clauses are not questions.
ORDERS = ("imperative", "future_imperative")

CLAUSES = (
    "<nom> কি {time} {thing} <{verb}:{tense}>?",
    "<nom> {time} {thing} <{verb}:{tense}>।",
    "{time} <nom> {thing} <{verb}:{tense}>।",
    "<nom> {time} {thing} <{verb}:{tense}> তো?",
    "{time} কি <nom> {thing} <{verb}:{tense}>?",
    "<nom> কেন {time} {thing} <{verb}:{tense}>?",
)
ORDER_CLAUSES = (
    "<nom> {time} {thing} <{verb}:{tense}>।",
    "{time} <nom> {thing} <{verb}:{tense}>।",
    "<nom> {time} {thing} <{verb}:{tense}> তো।",
)

OPENERS = (
    "<obj> একটা কথা বলি।",
    "<gen> কথা খুব মনে পড়ে।",
    "<nom> কেমন <আছে:present>?",
    "আশা করি <nom> ভালো <আছে:present>।",
    "<gen> শরীর এখন কেমন?",
    "<obj> ধন্যবাদ।",
    "<gen> সঙ্গে একটু কথা আছে।",
    "<gen> জন্য একটা খবর আছে।",
)
CLOSERS = (
    "<nom> ভালো <থাকা:future_imperative>।",
    "<gen> উত্তরের অপেক্ষায় রইলাম।",
    "<obj> আবার ধন্যবাদ।",
    "<gen> মঙ্গল কামনা করি।",
    "<nom> আমাকে <জানানো:imperative>।",
    "আজ আসি, <nom> ভালো <থাকা:future_imperative>।",
)


@dataclass(frozen=True)
class Occasion:
    """An occasion for a letter or a message.

    Attributes:
        name: the occasion as a noun, which can be the subject of a letter.
        telling: the occasion as a phrase that can precede `write` or `say`.
        lines: the sentences, with slots.
    """

    name: str
    telling: str
    lines: tuple[str, ...]


_OCCASIONS = """
জন্মদিনের শুভেচ্ছা / জন্মদিনের শুভেচ্ছা জানিয়ে / <obj> জন্মদিনের অনেক শুভেচ্ছা। /
    <nom> সব সময় হাসিখুশি <থাকা:future_imperative>।
অসুস্থতার খোঁজ / শরীরের খোঁজ নিয়ে / <gen> শরীর এখন কেমন? / <nom> ঠিকমতো ওষুধ <খাওয়া:future_imperative>।
পরীক্ষার উৎসাহ / পরীক্ষার আগে উৎসাহ দিয়ে / <gen> পরীক্ষা নিশ্চয়ই ভালো হবে। /
    <nom> মন দিয়ে <পড়া:future_imperative>।
বাড়িতে দাওয়াত / বাড়িতে আসার দাওয়াত দিয়ে / <obj> আমাদের বাড়িতে দাওয়াত দিলাম। /
    <nom> অবশ্যই <আসা:future_imperative>।
বিয়ের নিমন্ত্রণ / বিয়ের নিমন্ত্রণ জানিয়ে / <obj> আমার বোনের বিয়েতে নিমন্ত্রণ জানাই। /
    <nom> সবাইকে নিয়ে <আসা:future_imperative>।
কৃতজ্ঞতা / সাহায্যের জন্য ধন্যবাদ জানিয়ে / <nom> আমাকে অনেক সাহায্য <করা:perfect>। / <obj> অনেক ধন্যবাদ।
ভুলের জন্য ক্ষমা / ভুলের জন্য ক্ষমা চেয়ে / <gen> কাছে আমি ক্ষমা চাই। / <nom> আমাকে ক্ষমা <করা:imperative>।
ছুটির আবেদন / কয়েক দিনের ছুটি চেয়ে / <gen> কাছে তিন দিনের ছুটি চাই। /
    <nom> দয়া করে আমার ছুটি মঞ্জুর <করা:imperative>।
টাকা ধার / কিছু টাকা ধার চেয়ে / <gen> কাছে কিছু টাকা ধার চাই। /
    <nom> আমাকে একটু সাহায্য <করা:imperative>।
সাফল্যের অভিনন্দন / ভালো ফলের জন্য অভিনন্দন জানিয়ে / <obj> অনেক অভিনন্দন। / <gen> সাফল্যে আমি খুব খুশি।
খোঁজখবর / অনেক দিন পর খোঁজখবর নিয়ে / <nom> কেমন <আছে:present>? / <gen> কথা রোজ মনে পড়ে।
পথের খোঁজ / স্টেশনের পথ জানতে চেয়ে / <obj> একটা কথা জিজ্ঞেস করি। /
    <nom> কি স্টেশনের পথটা <জানা:present>?
সাক্ষাতের সময় / দেখা করার সময় চেয়ে / <gen> সঙ্গে একটু কথা আছে। / <nom> কখন সময় <দেওয়া:future>?
বই ধার / একটি বই ধার চেয়ে / <gen> বইটি আমার খুব দরকার। /
    <nom> কি বইটি কয়েক দিনের জন্য <দেওয়া:future>?
বিদায় / বিদায় জানিয়ে / <obj> বিদায় জানাই। / <nom> ভালো <থাকা:future_imperative>।
স্বাস্থ্যের উপদেশ / স্বাস্থ্যের যত্ন নিতে বলে / <gen> শরীরের যত্ন দরকার। /
    <nom> সময়মতো <ঘুমানো:future_imperative>।
অভিযোগ / একটি সমস্যা নিয়ে অভিযোগ করে / <gen> কাছে একটি অভিযোগ জানাই। /
    <nom> দ্রুত ব্যবস্থা <নেওয়া:imperative>।
শোকে সান্ত্বনা / সান্ত্বনা দিয়ে / <gen> কষ্ট আমি বুঝি। / <nom> মন শক্ত <করা:imperative>।
বেড়ানোর পরিকল্পনা / বেড়াতে যাওয়ার কথা জানিয়ে / <gen> সঙ্গে পাহাড়ে যেতে চাই। /
    <nom> কি আমার সঙ্গে <যাওয়া:future>?
ঈদের শুভেচ্ছা / ঈদের শুভেচ্ছা জানিয়ে / <obj> ঈদের শুভেচ্ছা। /
    <nom> আমাদের বাসায় <আসা:future_imperative>।
পূজার শুভেচ্ছা / পূজার শুভেচ্ছা জানিয়ে / <obj> পূজার শুভেচ্ছা। /
    <nom> পূজায় আমাদের বাড়িতে <আসা:future_imperative>।
নববর্ষের শুভেচ্ছা / নববর্ষের শুভেচ্ছা জানিয়ে / <obj> নববর্ষের শুভেচ্ছা। / <gen> নতুন বছর ভালো কাটুক।
চাকরির আবেদন / চাকরির জন্য আবেদন করে / <gen> প্রতিষ্ঠানে আমি কাজ করতে চাই। /
    <nom> আমার আবেদনটি বিবেচনা <করা:imperative>।
প্রশংসাপত্র / প্রশংসাপত্র চেয়ে / <gen> কাছে একটি প্রশংসাপত্র চাই। /
    <nom> কাগজটি তাড়াতাড়ি <দেওয়া:imperative>।
রাস্তা মেরামত / রাস্তা মেরামতের অনুরোধ করে / <gen> এলাকার রাস্তাটি ভেঙে গেছে। /
    <nom> দ্রুত ব্যবস্থা <নেওয়া:imperative>।
পানির সমস্যা / পানির সমস্যার কথা জানিয়ে / <obj> পানির সমস্যার কথা জানাই। /
    <nom> বিষয়টি একটু <দেখা:imperative>।
রান্নার প্রশংসা / রান্নার প্রশংসা করে / <gen> রান্না খুব ভালো। / <nom> দারুণ রান্না <করা:perfect>।
হারানো জিনিস / হারানো জিনিসের খোঁজ চেয়ে / <gen> কাছে কি আমার ব্যাগটি আছে? /
    <nom> ব্যাগটি কোথাও <দেখা:perfect> কি?
দেরির কারণ / দেরির কারণ জানতে চেয়ে / <nom> এত দেরি <করা:past> কেন? / <gen> জন্য অনেকক্ষণ বসে ছিলাম।
দাম জানা / জিনিসের দাম জানতে চেয়ে / <nom> এটার দাম কত <নেওয়া:future>? / <gen> দোকানটি বেশ বড়।
ফোনের অনুরোধ / ফোন করতে অনুরোধ করে / <gen> ফোনের অপেক্ষায় আছি। /
    <nom> আমাকে একটু ফোন <করা:imperative>।
পড়াশোনার পরামর্শ / পড়াশোনার পরামর্শ দিয়ে / <gen> পড়াশোনা কেমন চলছে? /
    <nom> রোজ নিয়ম করে <পড়া:future_imperative>।
সাহায্যের অনুরোধ / সাহায্য চেয়ে / <gen> সাহায্য আমার খুব দরকার। /
    <nom> আমাকে একটু সাহায্য <করা:imperative>।
সুখবর / একটি সুখবর দিয়ে / <obj> একটা সুখবর দিই। / <nom> শুনে খুব খুশি <হওয়া:future>।
কাজের তাগিদ / কাজ শেষ করতে তাগিদ দিয়ে / <gen> কাজটি আজ শেষ করা দরকার। /
    <nom> কাজটি তাড়াতাড়ি শেষ <করা:imperative>।
মন খারাপ / মন ভালো করতে / <gen> মন খারাপ কেন? / <nom> আমাকে সব কথা খুলে <বলা:imperative>।
"""


@cache
def acts() -> dict[str, tuple[str, ...]]:
    """Return the possible objects of each verb, by verbal noun."""
    rows = normalise(_ACTS).strip().replace("\n", ";").split(";")
    pairs = (row.strip().partition(" ") for row in rows)
    return {verb: tuple(things.split("|")) for verb, _, things in pairs}


@cache
def times(tense: str) -> tuple[str, ...]:
    """Return adverbs of time that fit a tense.

    Args:
        tense: one of `lexicon.TENSES`.
    """
    return tuple(normalise(_TIMES[tense]).split("|"))


@cache
def occasions() -> tuple[Occasion, ...]:
    """Return all occasions."""
    text = re.sub(r"/\n\s+", "/ ", normalise(_OCCASIONS).strip())
    rows = (line.split(" / ") for line in text.splitlines())
    return tuple(Occasion(name, telling, tuple(lines)) for name, telling, *lines in rows)
