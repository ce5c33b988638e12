"""Tables of the field scorecard: aims, records, the envelope, adaptation and the encoder."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, median, stdev

from text import Row, Tables, read, table

METHODS = {
    "band-pass": "band-pass",
    "f-k": "f-k",
    "f-x SSA": "f-x SSA",
    "TV": "TV",
    "WaveDenoiser": "WaveDenoiser",
    "seismic/denoise": "`seismic/denoise`",
    "Scionwood, no gate": "field model, no gate",
    "Scionwood": "Scionwood",
}
RECORDS = ("viking", "F3", "salt", "cube", "das", "station")
TITLES = {
    "viking": "Viking Graben shots",
    "F3": "F3 inlines",
    "salt": "section over salt",
    "cube": "post-stack cube",
    "das": "DAS event",
    "station": "earthquake",
}
ENVELOPE = ("dips", "traces", "periods")
NUMBERS = ("clean", "noisy", "viking_removed", "viking_white", "viking_forge", "salt_white")
ENCODER_NUMBERS = (
    "clean, dB",
    "0 dB, dB",
    "Viking: removed, %",
    "+ white, dB",
    "+ FORGE, dB",
    "salt + white, dB",
)
GATHERS = (8, 64, 512)
ENCODERS = ("field_unet", "DINOv3 tiny", "DINOv2 ViT-S", "DINOv3 ViT-S")
TRAINS = ("LoRA", "frozen", "full", "scratch", "random encoder")


def field_aims() -> str:
    """The aims of the scorecard: bar, best filter, the earlier model, Scionwood, verdict."""
    lines = [
        [row["aim"], row["bar"], row["filter"], row["before"], row["ours"], _verdict(row)]
        for row in read("seismic_aims")
    ]
    return table(["aim", "bar", "best filter", "`seismic/denoise`", "Scionwood", "verdict"], lines)


def _verdict(row: Row) -> str:
    return row["verdict"] if row["verdict"].startswith("met") else f"**{row['verdict']}**"


def field_tried() -> str:
    """What was tried for the aims that are not reached."""
    rows = [row for row in read("seismic_aims") if row["verdict"].startswith("not ")]
    return table(["aim", "what was tried"], [[row["aim"], row["tried"]] for row in rows])


def field_noise() -> str:
    """SNR of field records with added noise, dB, by method; the best of a row is in bold."""
    rows = [row for row in read("seismic_field") if row["group"] in RECORDS and row["snr"]]
    lines = []
    for key in dict.fromkeys((row["group"], row["case"], row["noise"]) for row in rows):
        some = {row["method"]: row for row in rows if _key(row) == key}
        scores = {name: float(some[name]["snr"]) for name in METHODS if name in some}
        top = max(scores.values())
        cells = [
            _bold(f"{scores[n]:z.1f}", scores[n] == top) if n in scores else "" for n in METHODS
        ]
        lines.append([_title(key), key[2] if key[2] != "none" else "clean", *cells])
    return table(["record", "noise", *METHODS.values()], lines)


def field_alone() -> str:
    """Field records as they are: energy removed, correlation with the next inline, amplitude."""
    rows = [row for row in read("seismic_field") if row["group"] in RECORDS and not row["snr"]]
    shown = list(METHODS)
    rows = [row for row in rows if row["method"] in shown]
    lines = []
    for row in sorted(rows, key=lambda r: (RECORDS.index(r["group"]), shown.index(r["method"]))):
        values = [row["removed"], row["next_inline"], row["similarity"], row["recovered"]]
        cells = [f"{float(x):z.2f}" if x else "" for x in values]
        lines.append([TITLES[row["group"]], METHODS[row["method"]], *cells])
    head = ["record", "method", "energy removed, %", "correlation with the next inline"]
    return table([*head, "local similarity", "recovered amplitude"], lines)


def field_envelope() -> str:
    """The envelope: clean and noisy gathers by dip, number of traces and period."""
    rows = [row for row in read("seismic_field") if row["group"] in ENVELOPE]
    lines = []
    for case in dict.fromkeys((row["group"], row["case"]) for row in rows):
        some = [row for row in rows if (row["group"], row["case"]) == case]
        cells = []
        for method in ("seismic/denoise", "Scionwood"):
            cells += [_cell(some, noise, method) for noise in ("none", "white")]
        lines.append([case[1], *cells])
    head = ["gather", "`denoise`: clean", "`denoise`: 0 dB", "Scionwood: clean", "Scionwood: 0 dB"]
    return table(head, lines)


def _cell(rows: Sequence[Row], noise: str, method: str) -> str:
    (row,) = (r for r in rows if (r["noise"], r["method"]) == (noise, method))
    passed, all_of_them = int(row["passed"]), int(row["records"])
    if passed == all_of_them:
        return "passed through"
    some = f" ({passed} of {all_of_them} passed through)" if passed else ""
    return f"{float(row['lowest' if noise == 'none' else 'snr']):z.1f}{some}"


def field_adaptation() -> str:
    """Adaptation on real records under the gate: objective, gain, harm and refusals."""
    lines = []
    for row in read("seismic_adaptation_field"):
        gain = f"{float(row['gain']):+z.2f}" if row["gain"] else ""
        pairs = [_change(row, name) for name in ("objective", "removed", "share", "recovered")]
        title = row["case"]
        if title in ("as recorded", "t^2 gain", "as it is", "event of the test data"):
            title = _title((row["group"], title, row["noise"]))
        noise = row["noise"] if row["noise"] != "none" else ""
        lines.append([row["objective"], title, noise, *pairs, gain, row["verdict"]])
    head = ["adaptation", "record", "noise", "objective", "removed, %", "kept of the removal"]
    return table([*head, "recovered amplitude", "gain, dB", "verdict"], lines)


def _change(row: Row, name: str) -> str:
    """Return a value before and after; empty if there is none."""
    values = [row.get(f"{name}_{when}", "") for when in ("before", "after")]
    return " → ".join(f"{float(value):z.2f}" for value in values if value)


def encoder() -> str:
    """What the encoder is worth: the mean over seeds, by training gathers and by what trains."""
    rows = read("seismic_encoder")
    lines = []
    for variant in sorted({row["variant"] for row in rows}, key=_order):
        some = {n: _seeds(rows, variant, n) for n in GATHERS}
        (first, *_) = (row for n in GATHERS for row in some[n])
        seeds = " / ".join(str(len(some[n])) for n in GATHERS)
        share = f"{int(first['trained']) / 1e6:.2f} of {int(first['parameters']) / 1e6:.2f}"
        cells = [" / ".join(_mean(some[n], name, 1) for n in GATHERS) for name in NUMBERS]
        steps = " / ".join(_mean(some[n], "steps", 0) for n in GATHERS)
        every = [row for n in GATHERS for row in some[n]]
        cost = f"{_mean(every, 'forward_ms', 0)} ms, {_mean(every, 'peak_mb', 0)} MB"
        lines.append([variant, seeds, share, steps, cost, *cells])
    head = ["network, what trains", "seeds", "trained, M", "steps", "a record, peak"]
    return table([*head, *ENCODER_NUMBERS], lines)


def encoder_spread() -> str:
    """The standard deviation over seeds: its median over rows of several seeds, the largest."""
    rows = read("seismic_encoder")
    spreads: dict[str, list[float]] = {name: [] for name in NUMBERS}
    for variant in dict.fromkeys(row["variant"] for row in rows):
        for n in GATHERS:
            some = _seeds(rows, variant, n)
            for name in NUMBERS if len(some) > 1 else ():
                spreads[name].append(stdev(float(row[name]) for row in some))
    lines = [
        [title, f"{median(spreads[name]):.1f}", f"{max(spreads[name]):.1f}"]
        for name, title in zip(NUMBERS, ENCODER_NUMBERS, strict=True)
    ]
    return table(["number", "median", "largest"], lines)


def _order(variant: str) -> tuple[int, ...]:
    encoder, _, trains = variant.partition(", ")
    return ENCODERS.index(encoder), TRAINS.index(trains) if trains in TRAINS else -1


def _seeds(rows: Sequence[Row], variant: str, gathers: int) -> list[Row]:
    return [r for r in rows if (r["variant"], int(r["gathers"])) == (variant, gathers)]


def _mean(rows: Sequence[Row], name: str, digits: int) -> str:
    values = [float(row[name]) for row in rows if row[name]]
    return f"{fmean(values):z.{digits}f}" if values else "-"


def _key(row: Row) -> tuple[str, str, str]:
    return row["group"], row["case"], row["noise"]


def _title(key: tuple[str, str, str]) -> str:
    detail = key[1] if key[1] not in ("as it is", "event of the test data") else ""
    return TITLES[key[0]] + (f", {detail}" if detail else "")


def _bold(text: str, top: bool) -> str:
    return f"**{text}**" if top else text


TABLES: Tables = {
    "field_aims": field_aims,
    "field_tried": field_tried,
    "field_noise": field_noise,
    "field_alone": field_alone,
    "field_envelope": field_envelope,
    "field_adaptation": field_adaptation,
    "encoder": encoder,
    "encoder_spread": encoder_spread,
}
