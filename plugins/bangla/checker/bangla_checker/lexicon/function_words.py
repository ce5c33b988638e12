"""Function words and word classes by which the checker finds clauses, subjects and requests."""

from __future__ import annotations

from bangla_checker.text.normalise import normalise


def _words(text: str) -> frozenset[str]:
    return frozenset(normalise(text).split())


CLAUSE_STARTS = _words(
    """যে যেন যেনো যদি যখন যেখানে যতক্ষণ যতদিন যত কারণ কেননা যাতে যা যার যাকে যাদের যারা যাঁরা যিনি কিনা নাকি
    তখন তাহলে তবে কিন্তু অথচ যেটা যেগুলো যতটুকু যেমন যেভাবে বলে হলে হলেও নইলে অথবা কিংবা"""
)
"""Words that start a clause, so that a subject before them has no verb after them."""

SAYING = _words("বলে বলেই")
"""Words of `CLAUSE_STARTS` that also make a compound verb with the verb behind them."""

RELATIVES = _words("যা যাকে যার যাদের যে যিনি যাতে যত যতটুকু যেমন যেভাবে যেখানে যেন যেসব যেটা যাদেরকে")
"""Words that start a relative clause, whose subject is often not that of the main clause."""

ALL = _words("সমস্ত সকল সব সবই ধরনের জাতীয়")
"""Words behind `se`, 'that', and before a noun."""

BEHIND_SUBJECT = _words(
    """যে যেন যেনো যদি যখন যত যা যতটুকু যেমন যেভাবে যেখানে যাতে কিন্তু তখন তাই যাকে যার কারণ তবে তাহলে
    নাকি"""
)
"""Words of `CLAUSE_STARTS` that do not start a clause directly behind the subject."""

BEFORE_CLAUSE = _words("যে যেন যাতে কারণ")
"""Words behind a main verb that start its object clause."""

REPORTING = _words("কিনা বলে নাকি বলেই")
"""Words that make the clause before them part of another one."""

PERSONS = _words(
    """কেউ কে কারা লোক লোকে লোকটা লোকটি মেয়েটা মেয়েটি ছেলেটা ছেলেটি ভদ্রলোক মহিলা পুলিশ সরকার স্যার ম্যাডাম
    সাহেব ডাক্তার শিক্ষক মন্ত্রী প্রধানমন্ত্রী মানুষ মানুষটা আল্লাহ ঈশ্বর বাবা মা আব্বা আম্মা আব্বু আম্মু ভাই বোন দাদা দিদি
    ছেলে মেয়ে বউ স্বামী স্ত্রী বন্ধু ভাইয়া আপু চাচা মামা খালা ফুপু দাদু নানা নানি কেউই"""
)
"""Nouns and pronouns for a person, who may be the subject of the next verb."""

APPOSITIONS = _words("সবাই সকলে নিজে নিজেরা নিজেই")
"""Words such as 'all' or 'oneself', which stand beside a subject."""

QUANTIFIERS = _words(
    "সেসব এসব একটি একটা অসংখ্য অনেক কোটি আকাশের লক্ষ হাজার এতসব দুটি দুটো কত নতুন উজ্জ্বল প্রতিটি"
)
"""Words before which `tara` means 'stars'."""

ADVERBS = _words(
    """তো ও কি কী যে যেন কেন আর এখন তখন আজ কাল রোজ প্রতিদিন সবসময় কখনো কখনও আবার খুব অনেক একটু একা
    একাই নিজে নিজেই সত্যি হয়তো নিশ্চয়ই কিন্তু হঠাৎ চুপচাপ প্রায় প্রায়ই মাঝে আগে পরে শুধু কেবল এত এতো বেশ ভীষণ আস্তে
    দ্রুত জোরে ধীরে ভালো ভাল এখানে ওখানে সেখানে বাসায় বাড়ি ঘরে স্কুলে অফিসে গতকাল সকালে রাতে বিকেলে যদি যখন না এটা ওটা
    সব কিছু একবার বারবার সবে এখনো এখনও তাড়াতাড়ি মনে কিভাবে কীভাবে কোথায় কবে কখন কেমন একটা একটি এমন যতক্ষণ ফিরে
    চিৎকার হেসে কেঁদে হাসতে একদিন আমাকে আমার আমাদের তাকে তার তাঁর তোমাকে আপনাকে আমায় তোকে নিজের সারাদিন দীর্ঘ দৌড়ে
    পালিয়ে বেশি সম্ভবত অবশেষে বৃদ্ধ যথাসম্ভব অন্ধকারে সবাইকে"""
)
"""Words between a subject and its verb that cannot be another subject."""

MINDS = _words("মনে চোখে নজরে কানে মাথায় ভাগ্যে কপালে")
"""Places where something happens to a person, who is no subject: 'it comes to mind'."""

QUESTION_WORDS = _words("কি কী কেন কিভাবে কীভাবে কোথায় কে কাকে কখন কবে কেমন")

TITLES = _words("মাননীয় মাননীয়া শ্রদ্ধেয় শ্রদ্ধেয়া মহামান্য সম্মানিত জনাব জনাবা")
"""Respectful words before the name or office of a third person."""

TITLES_BEHIND = _words("মহোদয় মহোদয়া সাহেব স্যার ম্যাডাম হুজুর")
"""Respectful words behind the name or office of a third person."""

IMPERSONAL_NOUNS = _words("তাই মনে বোধ দরকার উচিত প্রয়োজন ইচ্ছে ইচ্ছা")
"""Words that make an impersonal phrase with a form of 'be' or 'become'."""

DISCOURSE = _words("ধরেন ধরুন ধরো দেখুন দেখো শোনো শোন শুনুন বলুন বলো আসুন চলুন চলো দেখি দেখছি")
"""Verb forms that keep the attention of a listener."""

SUPPOSING = _words("করেন করো করুন")
"""Verb forms that mean 'suppose' after 'in mind'."""

EXISTENCE = _words("কোনো কোন কিছু কত অনেক কেউ জন্য কাছে মধ্যে সম্পর্কে")
"""Words that show that 'there is' is said of something."""

NOT_GENITIVE = _words("আর খবর পর বার সংসার খাবার উপহার চাদর")
"""Words that end like a genitive."""

ONE = _words("একজন এক")
SINGULAR_THINGS = _words(
    "খানিকটা একটা এতটা কিছুটা অনেকটা পুরোটা এটা সেটা ছুটি মাটি বাটি প্রতিটি একটি যেটা কোনটা সবটা চিঠি"
)
"""Words with the ending of a definite noun before which `se` is still a pronoun."""

REQUESTS = _words("আমাকে আমায় আমাদের আমাদেরকে দয়া অনুগ্রহ বাধিত কৃতার্থ মর্জি অনুগ্রহপূর্বক")
"""Words that make a clause a request to the reader."""

APPEARING = _words("আসা যাওয়া থাকা হওয়া আছে পড়া লাগা ঘটা বেরোনো ওঠা নয়")
"""Verbs whose subject often follows them."""

EMBEDDED = _words("আছে ছিল হবে হয়")
"""Verb forms that are often said of a thing, even directly behind a pronoun."""

SINGLE = _words("না নি কি তো কিন্তু যে আবার ও আর")
"""Words that may follow a verb without bringing its subject."""

CONJUNCTIONS = _words("এবং আর ও কিংবা অথবা বা কিন্তু অথচ কারণ তাই নইলে নতুবা নয়তো যদিও তবু তবুও সুতরাং অতএব")
"""Conjunctions, which join clauses or two subjects."""

JOINING = _words("ও আর এবং কিংবা অথবা বা")
"""Conjunctions that can coordinate two subjects."""

PARTICLES = _words("না নি নাই নাকো কি তো নাকি কিন্তু যে গো রে হে না-কি বটে আর কেন")
"""Particles that may follow a verb at the end of its clause."""

INTERJECTIONS = _words(
    """হ্যাঁ হাঁ না আচ্ছা ঠিক আছে ধন্যবাদ আহা ওহ বাহ হায় জি জ্বি দুঃখিত তাহলে তবে কিন্তু আর এবং তাই
    আজ কাল এখন তখন তারপর অবশ্যই নিশ্চয়ই সত্যি দয়া করে প্লিজ শুভেচ্ছা ইতি সুতরাং অতএব আমি আমরা
    শোনো শোন শুনুন দেখো দেখ দেখুন বলো বলুন চলো চলুন যাক শুভ সকাল সন্ধ্যা রাত্রি নমস্কার সালাম আদাব"""
)
"""Words that may start a sentence before a comma without being a vocative."""

BLESSERS = _words("ঈশ্বর আল্লাহ আল্লাহতায়ালা খোদা ভগবান প্রভু সৃষ্টিকর্তা বিধাতা পরমেশ্বর ঠাকুর মা-কালী")
"""Third persons that occur with the imperative in wishes, such as 'may God ...'."""

POINTED_AT = _words(
    """কথা সময় দিন জন্য ক্ষেত্রে বিষয় বিষয়ে রাত রাতে বার বছর দেশ দেশে যুগ যুগে কাজ ব্যাপার ব্যাপারে
    অনুযায়ী হিসেবে হিসাবে কারণে দিক দিকে গল্প চিঠি পথ পথে খবর সুযোগ বই রকম ভাবে যাত্রা যাত্রায়
    ব্যবস্থা উপায় তুলনায় জন্যে জন্যই জন্যেই চেষ্টা চেষ্টাও সৌভাগ্য ধরনের ধরণের কারণেই কথাও সময়ের সময়ে
    দিনের থেকে আমলে হুমকি সন্দেহ মতো মত অর্থে দেশের যুগের জায়গা জায়গায় মুহূর্তে ভয় আশা ইচ্ছা ইচ্ছে প্রশ্ন
    প্রশ্নের কাজটা ঘটনা তারিখে মোতাবেক অনুসারে পর্যন্ত সুবাদে সূত্রে প্রসঙ্গে"""
)
"""Nouns before which the pronoun `se` means 'that'."""

POSTPOSITIONS = _words("ছাড়া বিনা থেকে ব্যতীত সম্পর্কে বিহনে ব্যতিরেকে কর্তৃক")
"""Postpositions. A pronoun before one is not a subject: 'without you', 'from you'."""

OTHERS = _words(
    """সবাই সকলে কেউ লোকে মানুষ মা বাবা দাদা দিদি ভাই বোন কাকা চাচা মামা দাদু নানা ছেলেরা মেয়েরা
    বন্ধুরা লোকেরা ছাত্ররা শিক্ষকরা শিক্ষকেরা ছেলেটি মেয়েটি ছেলে মেয়ে বৃষ্টি সব সবকিছু"""
)
"""Third persons that start a new clause after a comma."""

ORDER_STEMS = _words(
    "পর ফের পাঠান চালান বানান হারান জমান সার ছাড় ঢাল ঝাড় মাপ মাজ মেল বাঁধ ভর হারাও কাটাও কেনো পরান পরাও পাঠা"
)
"""Nouns and adverbs that are orders where a sentence without another verb ends."""

NO_OBJECT = _words("একটা একটি এক এই সেই ওই এটা এটি এরা কোনো কোন ছোট বড় ভালো নতুন আরেক প্রথম শুদ্ধ ভুল সঠিক")
"""Words before which such a word is a noun."""

WHEN = _words("যেমনি যেই যখন যখনই যবে যেদিন")
"""Words of a clause whose verb is finite: 'when you came'."""

PARENTHETIC = _words("ধরুন ধরো ধর যাক হোক আসুক বলুক মানে")
"""Verb forms that may also be discourse markers."""


def is_plural_noun(word: str) -> bool:
    """Return whether a word ends like the plural of a noun for persons."""
    return word.endswith("রা")


def is_oblique(word: str) -> bool:
    """Return whether a word ends like an oblique case or an adverb, and so is no subject."""
    return word.endswith(_OBLIQUE)


_OBLIQUE = tuple(normalise(ending) for ending in ("ে", "র", "কে", "তে", "য়", "ভাবে"))
