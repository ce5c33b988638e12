"""The verbs by stem class, with the stems from which all their forms are generated.

The tables follow the grammar of the standard colloquial language: vowels rise before i and u
(lekh-, likh-; shon-, shun-), and a rises to e in the perfect (rakh-, rekhe).
"""

from __future__ import annotations

# verbal noun, stem, raised stem, perfect stem; omitted stems equal the stem before them
CONSONANT = """
করা কর; বলা বল; পড়া পড়; পরা পর; চলা চল; ধরা ধর; বসা বস; মরা মর; ভরা ভর; সরা সর; চড়া চড়; গড়া গড়; ঘটা ঘট
কমা কম; লড়া লড়; দেখা দেখ; ফেলা ফেল; খেলা খেল; ঠেলা ঠেল; বেচা বেচ
লেখা লেখ লিখ; শেখা শেখ শিখ; কেনা কেন কিন; চেনা চেন চিন; ফেরা ফের ফির; মেলা মেল মিল; জেতা জেত জিত
ভেজা ভেজ ভিজ; ছেঁড়া ছেঁড় ছিঁড়
শোনা শোন শুন; বোঝা বোঝ বুঝ; খোলা খোল খুল; তোলা তোল তুল; ওঠা ওঠ উঠ; ঘোরা ঘোর ঘুর; খোঁজা খোঁজ খুঁজ
ছোটা ছোট ছুট; পোড়া পোড় পুড়; ভোলা ভোল ভুল; বোনা বোন বুন
রাখা রাখ রাখ রেখ; থাকা থাক থাক থেক; আনা আন আন এন; জানা জান জান জেন; ডাকা ডাক ডাক ডেক; ভাবা ভাব ভাব ভেব
মারা মার মার মের; কাটা কাট কাট কেট; হাসা হাস হাস হেস; নাচা নাচ নাচ নেচ; বাঁচা বাঁচ বাঁচ বেঁচ; মানা মান মান মেন
পারা পার পার পের; ছাড়া ছাড় ছাড় ছেড়; হারা হার হার হের; থামা থাম থাম থেম; নামা নাম নাম নেম; বাঁধা বাঁধ বাঁধ বেঁধ
রাঁধা রাঁধ রাঁধ রেঁধ; সাজা সাজ সাজ সেজ; হাঁটা হাঁট হাঁট হেঁট; কাঁদা কাঁদ কাঁদ কেঁদ; ভাঙা ভাঙ ভাঙ ভেঙ
ঢাকা ঢাক ঢাক ঢেক; জাগা জাগ জাগ জেগ; লাগা লাগ লাগ লেগ; বাড়া বাড় বাড় বেড়; ভালোবাসা ভালোবাস ভালোবাস ভালোবেস
আসা আস আস এস
"""

# verbal noun, stem, progressive, past, habitual, future, perfect stem, literary stem
VOWEL = """
খাওয়া খা খাচ্ছ খে খে খা খেয় খাই; পাওয়া পা পাচ্ছ পে পে পা পেয় পাই; যাওয়া যা যাচ্ছ গে যে যা গিয় যাই
চাওয়া চা চাইছ|চাচ্ছ চাই চাই চাই চেয় চাহি; গাওয়া গা গাইছ গাই গাই গাই গেয় গাহি
দেওয়া দে দিচ্ছ দি দি দে|দি দিয় দি; নেওয়া নে নিচ্ছ নি নি নে|নি নিয় নি
হওয়া হ হচ্ছ হ হ হ হয় হই; সওয়া স সইছ সই সই সই সয় সহি
শোয়া শো শুচ্ছ শু শু শো|শু শুয় শুই; ধোয়া ধো ধুচ্ছ ধু ধু ধো|ধু ধুয় ধুই; ছোঁয়া ছোঁ ছুঁচ্ছ ছুঁ ছুঁ ছোঁ|ছুঁ ছুঁয় ছুঁই
"""

# causatives and other verbs in -ano, -ono: stem, perfect stem
CAUSATIVE = """
করা করিয়; দেখা দেখিয়; শেখা শিখিয়; জানা জানিয়; পাঠা পাঠিয়; দাঁড়া দাঁড়িয়; ঘুমা ঘুমিয়; বেড়া বেড়িয়; পৌঁছা পৌঁছিয়|পৌঁছ
কাটা কাটিয়; লাগা লাগিয়; চালা চালিয়; বোঝা বুঝিয়; শোনা শুনিয়; খাওয়া খাইয়; বসা বসিয়; হারা হারিয়; তাকা তাকিয়
বাজা বাজিয়; সাজা সাজিয়; বাড়া বাড়িয়; কমা কমিয়; নামা নামিয়; ওঠা উঠিয়; দৌড়া দৌড়িয়|দৌড়; লুকা লুকিয়; ফেরা ফিরিয়
বানা বানিয়; থামা থামিয়; বাঁচা বাঁচিয়; মেটা মিটিয়; বেরো বেরিয়; এগো এগিয়; ঘুমো ঘুমিয়
"""

# Irregular forms by (verbal noun, tense, subject), which replace the regular forms
IRREGULAR = {
    ("হওয়া", "present", "tui"): "হস হোস",
    ("হওয়া", "imperative", "se"): "হোক",
    ("হওয়া", "imperative", "apni"): "হোন হন",
    ("হওয়া", "future_imperative", "tui"): "হোস",
    ("হওয়া", "future_imperative", "tumi"): "হয়ো হোয়ো",
    ("আসা", "imperative", "tui"): "আয়",
    ("আসা", "imperative", "tumi"): "এসো আসো",
    ("সওয়া", "imperative", "tui"): "",
    ("শোয়া", "present", "ami"): "শুই",
    ("শোয়া", "present", "tui"): "শুস শোস",
    ("শোয়া", "future_imperative", "tui"): "শুস",
    ("শোয়া", "imperative", "se"): "শুক",
    ("ধোয়া", "present", "ami"): "ধুই",
    ("ধোয়া", "present", "tui"): "ধুস ধোস",
    ("ধোয়া", "future_imperative", "tui"): "ধুস",
    ("ধোয়া", "imperative", "se"): "ধুক",
    ("ছোঁয়া", "present", "ami"): "ছুঁই",
    ("ছোঁয়া", "present", "tui"): "ছুঁস ছোঁস",
    ("ছোঁয়া", "future_imperative", "tui"): "ছুঁস",
    ("ছোঁয়া", "imperative", "se"): "ছুঁক",
    ("কমা", "present", "ami"): "কমি",
    ("দেওয়া", "present", "ami"): "দিই দেই",
    ("দেওয়া", "present", "tui"): "দিস",
    ("দেওয়া", "present", "tumi"): "দাও",
    ("দেওয়া", "imperative", "tumi"): "দাও",
    ("দেওয়া", "imperative", "se"): "দিক",
    ("দেওয়া", "imperative", "apni"): "দিন",
    ("দেওয়া", "future_imperative", "tui"): "দিস",
    ("নেওয়া", "present", "ami"): "নিই নেই",
    ("নেওয়া", "present", "tui"): "নিস",
    ("নেওয়া", "present", "tumi"): "নাও",
    ("নেওয়া", "imperative", "tumi"): "নাও",
    ("নেওয়া", "imperative", "se"): "নিক",
    ("নেওয়া", "imperative", "apni"): "নিন",
    ("নেওয়া", "future_imperative", "tui"): "নিস",
}

# Additional forms beside the regular forms
ALSO = {
    ("আসা", "past", "ami"): "এলাম",
    ("আসা", "past", "tui"): "এলি",
    ("আসা", "past", "tumi"): "এলে",
    ("আসা", "past", "se"): "এল এলো",
    ("আসা", "past", "apni"): "এলেন",
    ("যাওয়া", "perfect", "ami"): "গেছি",
    ("যাওয়া", "perfect", "tui"): "গেছিস",
    ("যাওয়া", "perfect", "tumi"): "গেছ গেছো",
    ("যাওয়া", "perfect", "se"): "গেছে",
    ("যাওয়া", "perfect", "apni"): "গেছেন",
    ("করা", "future_imperative", "tumi"): "কোরো",
    ("বলা", "future_imperative", "tumi"): "বোলো",
}

# Defective verbs, which lack most tenses: existence, and the negative copula
DEFECTIVE = {
    "আছে": {
        ("present", "ami"): "আছি",
        ("present", "tui"): "আছিস",
        ("present", "tumi"): "আছ আছো",
        ("present", "se"): "আছে",
        ("present", "apni"): "আছেন",
        ("past", "ami"): "ছিলাম",
        ("past", "tui"): "ছিলি",
        ("past", "tumi"): "ছিলে",
        ("past", "se"): "ছিল ছিলো",
        ("past", "apni"): "ছিলেন",
    },
    "নয়": {
        ("present", "ami"): "নই",
        ("present", "tui"): "নস নোস",
        ("present", "tumi"): "নও",
        ("present", "se"): "নয়",
        ("present", "apni"): "নন",
    },
}
