"""Measure how often `scionwood ask` puts the right command first, on requests that people may ask.

    python benchmarks/language_ask.py        # two seconds, no model

The first list was in sight while the ranking was written; the second was written afterwards. One
weight, of arguments that a request does not name, was changed once after both were seen. The weight
of a command's own name was set on the first list alone. The third list has nothing to do with the
commands; the share of words below which nothing is proposed was set with all three in sight.
"""

from __future__ import annotations

import csv
from pathlib import Path

from scionwood import PluginError, check_plan, draft, rank_tools, tools
from scionwood.planning import is_plain

RESULTS = Path(__file__).parent / "results" / "language_ask.csv"
SEEN = """\
remove ground roll from line.sgy|seismic denoise
train an adapter on my own data by a recipe|fit
which plugins are installed|plugins
check a Bangla letter letter.txt for wrong honorifics|bangla check
write a Bangla letter to a friend|bangla generate
remove patient names from scan.dcm|biomed deidentify
convert a run to ONNX|export
denoise a hundred files with one command|map
continue a flow for 20 steps from flow.nc|pde rollout
predict how a part crashes from part.k|crash predict
is there any backdoor in the sites' updates|federated check
merge the adapter into the model|language merge
start a new plugin|new
shell completion for bash|completion
serve an adapter over HTTP|serve run
rate register of texts in texts.jsonl|bangla score
sign a run|sign
download a run of somebody|pull
compress a field velocity.nc|pde encode
average the adapters of three hospitals|federated pool
how many tokens does a tokenizer need for Bangla words|bangla tokenizers
compare a run with prompting in Bangla|bangla evaluate
test a finished run on the test split|test
list the runs that are shipped|runs
"""
UNSEEN = """\
clean the traces in survey.segy|seismic denoise
simulate a shot gather|seismic simulate
is this DICOM file free of names? scan.dcm|biomed deidentify-check
find duplicates between train and test images|biomed audit-splits
classify an x-ray image.png|biomed classify
outline the tumour in volume.nii|biomed segment
what does the recipe crash/transfer_lora contain|recipe
explain the task seismic/denoise|show
run a finite element crash simulation|crash simulate
rebuild the field from latents.safetensors|pde decode
make training states of a PDE|pde simulate
teach several tasks one after another|methods sequence
is my adapter overfitting, diagnose the run|methods diagnose
upload my run to the hub|push
check the signature of a run|verify
verify that my plugin passes the conformance kit|check
make pairs of better and worse answers|bangla prefer
answer a question with a language model|language generate
decrypt the pooled update|federated decrypt
start the first round for three clinics|federated begin
look for a hidden trigger in an adapter of a stranger|audit adapter
offer my run as a web service|serve run
inspect the deck part.k|crash inspect
find honorific errors in a corpus of letters|bangla audit
"""
UNRELATED = """\
make me a cup of tea
what is the weather in Dhaka tomorrow
write a poem about rain
book a flight to Oslo
translate this novel into French
who won the world cup
train a dog to sit
fix the printer on my desk
cook rice for four people
send an email to my boss
play some music
solve x squared plus one equals zero
buy new tyres for my car
paint the fence green
drive me home
"""


def main() -> None:
    """Write one row for each list; the right command of the third is none."""
    known = {tool.name for tool in tools()}
    rows = []
    for name, text in (("seen", SEEN), ("unseen", UNSEEN)):
        pairs = [line.split("|") for line in text.splitlines()]
        first = three = valid = proposed = 0
        for request, wanted in pairs:
            assert wanted in known, wanted
            ranked = [tool for _, tool in rank_tools(request)[:3]]
            first += ranked[0].name == wanted
            proposed += is_plain(request, ranked[0])
            three += wanted in [tool.name for tool in ranked]
            try:
                check_plan(draft(request, ranked[0]))
                valid += 1
            except PluginError:
                pass  # an argument that the request does not name has a type, such as a number
        row = {
            "requests": name,
            "n": len(pairs),
            "commands": len(known),
            "chance": f"{1 / len(known):.3f}",
        }
        counts = {"first": first, "first three": three, "valid": valid, "proposed": proposed}
        rows.append(row | counts)
    others = UNRELATED.splitlines()
    proposed = sum(is_plain(request, rank_tools(request)[0][1]) for request in others)
    rows.append({**rows[0], "requests": "unrelated", "n": len(others), "first": "",
                 "first three": "", "valid": "", "proposed": proposed})  # fmt: skip
    for row in rows:
        print(row)
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
