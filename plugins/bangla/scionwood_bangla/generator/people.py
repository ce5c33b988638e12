"""Addressees by level, senders, names and places, written for this package."""

from __future__ import annotations

from functools import cache
from random import Random

from scionwood_bangla.text.normalise import normalise

# The usual level of each addressee. Families differ, so this is the generator's choice, not a rule.
_ADDRESSEES = {
    "apni": """শিক্ষক; শিক্ষিকা; প্রধান শিক্ষক; প্রধান শিক্ষিকা; অধ্যক্ষ; অধ্যাপক; উপাচার্য; ডাক্তার
        চিকিৎসক; ডাক্তার সাহেব; ব্যাংক ম্যানেজার; ব্যাংকের ব্যবস্থাপক; অফিসের বস; বড় সাহেব
        ঊর্ধ্বতন কর্মকর্তা; থানার ওসি; পুলিশ কর্মকর্তা; জেলা প্রশাসক; মেয়র; চেয়ারম্যান; মন্ত্রী; বিচারক
        আইনজীবী; উকিল; সম্পাদক; পত্রিকার সম্পাদক; ইমাম সাহেব; পুরোহিত; শ্বশুর; শাশুড়ি; অপরিচিত ভদ্রলোক
        অপরিচিত ভদ্রমহিলা; অপরিচিত একজন; বয়স্ক ভদ্রলোক; বয়স্ক প্রতিবেশী; প্রবীণ প্রতিবেশী
        বৃদ্ধ প্রতিবেশী; বাড়িওয়ালা; দোকানদার; গ্রাহক; ক্রেতা; অতিথি; সহযাত্রী; যাত্রী; স্টেশন মাস্টার
        পোস্টমাস্টার; গ্রন্থাগারিক; ক্লাবের সভাপতি; কোম্পানির পরিচালক; মানবসম্পদ কর্মকর্তা
        প্রতিষ্ঠানের পরিচালক; কার্যালয়ের কর্মকর্তা; প্রকৌশলী; সাংবাদিক; লেখক; কবি; শিল্পী; বন্ধুর বাবা
        বন্ধুর মা; ছাত্রের অভিভাবক; ট্যাক্সিচালক; নার্স; কাউন্টারের কর্মচারী; নতুন সহকর্মী; অফিসের সহকর্মী
        কর্তৃপক্ষ; কমিশনার; পৌরসভার মেয়র; বিভাগীয় প্রধান; হেডমাস্টার; প্রিন্সিপাল; ম্যানেজার; স্যার
        ম্যাডাম; মহোদয়; সচিব; দাদার শিক্ষক; পাঠক; সম্মানিত অতিথি; হাসপাতালের পরিচালক""",
    "tumi": """বন্ধু; বান্ধবী; সহপাঠী; সমবয়সী বন্ধু; সহকর্মী বন্ধু; স্ত্রী; স্বামী; মা; বাবা; আম্মা; আব্বা
        বড় ভাই; বড় বোন; আপু; ভাইয়া; দিদি; দাদা; ছাত্র; ছাত্রী; চাচাতো ভাই; চাচাতো বোন; মামাতো ভাই
        মামাতো বোন; খালাতো ভাই; খালাতো বোন; ফুফাতো বোন; দাদি; নানি; নানু; পাড়ার ছেলেটি
        পাড়ার মেয়েটি; খেলার সঙ্গী; কলেজের বন্ধু; বিশ্ববিদ্যালয়ের বন্ধু; স্কুলের বন্ধু; রুমমেট; প্রেমিকা
        প্রেমিক; মেয়ে; ছেলে; নতুন বন্ধু; ক্লাসের বন্ধু; হোস্টেলের বন্ধু; শিষ্য; ভাবি; প্রিয়জন; পত্রবন্ধু
        দলের খেলোয়াড়; ক্লাসের সহপাঠী; জুনিয়র""",
    "tui": """ছোট ভাই; ছোট বোন; আদরের ছোট ভাই; আদরের ছোট বোন; আপন ছোট ভাই; আপন ছোট বোন
        ছোট ভাইটি; ছোট বোনটি; ভাগ্নে; ভাগ্নি; ভাইপো; ভাইঝি; ভাতিজা; ভাতিজি; বাল্যবন্ধু; ছোটবেলার বন্ধু
        ছোটবেলার বান্ধবী; ছেলেবেলার বন্ধু; শৈশবের বন্ধু; শৈশবের বান্ধবী; স্কুলজীবনের পুরোনো বন্ধু
        পুরোনো বন্ধু; বহুদিনের বন্ধু; প্রাণের বন্ধু; ঘনিষ্ঠ বন্ধু; ঘনিষ্ঠ বান্ধবী; সবচেয়ে কাছের বন্ধু
        দুষ্টু ভাগ্নে; দুষ্টু ভাই; নাতি; নাতনি; যমজ ভাই; যমজ বোন; পিচ্চি ভাই; পিচ্চি বোন; ছোট্ট ভাই
        ছোট্ট বোন; একেবারে ছোট ভাই; খুব কাছের বন্ধু; কোলের ভাইটি""",
}

_SENDERS = """একজন ছাত্র; একজন ছাত্রী; একজন শিক্ষক; একজন কর্মচারী; একজন নাগরিক; একজন গ্রাহক; বড় ভাই
    বড় বোন; ছোট ভাই; ছোট বোন; এক বন্ধু; মা; বাবা; একজন মা; একজন বাবা; দাদু; নানি; মামা; চাচা
    একজন রোগী; একজন যাত্রী; একজন প্রতিবেশী; ছেলে; মেয়ে; একজন অভিভাবক; একজন দোকানদার"""

_GIVEN_NAMES = """রহিম; করিম; সুমন; রাসেল; তানভীর; আরিফ; মাহমুদ; ইমরান; কামাল; জামাল; শফিক; রফিক; নাসির
    হাসান; মিজান; বাবুল; অমিত; সুব্রত; প্রদীপ; অর্ণব; রিনা; মিতু; সাদিয়া; ফারহানা; নুসরাত; তানিয়া
    শিরিন; রুমানা; লিপি; শম্পা; মৌসুমী; অনিতা; দীপা; পূজা; সুমি; নাজমা; জেসমিন; রাবেয়া"""

_FAMILY = """ইসলাম; হোসেন; আহমেদ; রহমান; চৌধুরী; খাতুন; বেগম; আক্তার; দাস; ঘোষ; রায়; সরকার; মিয়া; উদ্দিন
        সাহা; পাল"""

_PLACES = """ঢাকা; চট্টগ্রাম; খুলনা; রাজশাহী; সিলেট; বরিশাল; রংপুর; ময়মনসিংহ; কুমিল্লা; যশোর; বগুড়া
    পাবনা; ফরিদপুর; কলকাতা; নদিয়া; হাওড়া"""

_TITLED = {"apni": "সাহেব; স্যার; ম্যাডাম; মহাশয়", "tumi": "ভাই; আপু; দিদি; দাদা"}


@cache
def addressees(level: str) -> tuple[str, ...]:
    """Return people who are usually addressed at a level, as nouns without a case ending.

    Args:
        level: `tui`, `tumi` or `apni`.
    """
    return _items(_ADDRESSEES[level])


def titled(level: str, random: Random) -> str:
    """Return a name with a title that implies a level.

    Args:
        level: `apni` or `tumi`.
        random: draws name and title.
    """
    return f"{first_name(random)} {random.choice(_items(_TITLED[level]))}"


def sender(random: Random) -> str:
    """Return a speaker or writer, who does not imply a level."""
    return random.choice(_items(_SENDERS))


def first_name(random: Random) -> str:
    """Return a given name."""
    return random.choice(_items(_GIVEN_NAMES))


def full_name(random: Random) -> str:
    """Return a given name and a family name."""
    return f"{first_name(random)} {random.choice(_items(_FAMILY))}"


def place(random: Random) -> str:
    """Return the name of a town."""
    return random.choice(_items(_PLACES))


def genitive(noun: str) -> str:
    """Return the genitive of a noun, such as `ভাইয়ের` for `ভাই`.

    Args:
        noun: the normalised noun without a case ending.
    """
    last, word = noun[-1], noun.rpartition(" ")[2]
    if last in "ইউ":
        return noun + normalise("য়ের")
    if last == "া" and len(word) == 2:  # one syllable, such as the word for mother
        return noun + normalise("য়ের")
    return noun + ("র" if last in "ািীুূৃেৈোৌওএ" else "ের")


def objective(noun: str) -> str:
    """Return the objective case of a noun.

    Args:
        noun: the normalised noun without a case ending.
    """
    return noun + "কে"


@cache
def _items(text: str) -> tuple[str, ...]:
    lines = normalise(text).replace("\n", ";").split(";")
    return tuple(item.strip() for item in lines if item.strip())
