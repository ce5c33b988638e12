"""
Check the honorific level of a letter
=====================================

The checker finds words that disagree with the level of the letter, names the rule, and suggests a
word. It needs no model.
"""

# %%
from scionwood_bangla import check_text, restate

letter = "আপনি কেমন আছ? তোমার চিঠি পেয়েছি।"
report = check_text(letter, ["apni"])
for fault in report.faults:
    print(f"{fault.rule}: {fault.word} -> {', '.join(fault.suggestions)}")

# %%
# The same sentence at another level.
print(restate("তুমি কেমন আছ?", "apni"))

# sphinx_gallery_thumbnail_path = '_static/cards/bangla.png'
