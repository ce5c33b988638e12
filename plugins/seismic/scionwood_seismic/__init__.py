"""Denoise seismic and fibre-optic (DAS) gathers: a DINOv3 ViT, a U-Net decoder, and an adapter.

Example: denoise an array with one of the runs that the plugin ships.

    >>> import numpy as np
    >>> import scionwood_seismic as seismic
    >>> noisy = np.random.default_rng(0).standard_normal((96, 250))  # (trace, time)
    >>> clean = seismic.denoise_data(noisy)
    >>> clean.shape
    (96, 250)
"""

from __future__ import annotations

from scionwood import Plugin
from scionwood.authoring import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)

plugin = Plugin(
    name="seismic",
    summary="Denoise seismic and DAS gathers with an adapted DINOv3 U-Net; reads and writes SEG-Y, "
    "miniSEED, SAC, SU, SEG-2 and DAS files",
    backbones={
        "dinov3_unet": "scionwood_seismic.backbones:dinov3_unet",
        "dinov2_unet": "scionwood_seismic.backbones:dinov2_unet",
        "conv_unet": "scionwood_seismic.backbones:conv_unet",
        "field_unet": "scionwood_seismic.backbones:field_unet",
        "station_unet": "scionwood_seismic.backbones:station_unet",
    },
    readers={
        "segy": "scionwood_seismic.readers.segy:SegyReader",
        "stream": "scionwood_seismic.readers.streams:StreamReader",
        "das": "scionwood_seismic.readers.das:DasReader",
        "xdas": "scionwood_seismic.readers.xdas:XdasReader",
    },
    data={
        "synthetic": "scionwood_seismic.data.synthetic:SyntheticGathers",
        "survey": "scionwood_seismic.data.survey:Survey",
        "field": "scionwood_seismic.data.field:FieldCrops",
        "station": "scionwood_seismic.data.station:StationRecords",
        "noise": "scionwood_seismic.data.noise:FieldNoise",
        "pairs": "scionwood_seismic.data.pairs:FieldPairs",
    },
    tasks={
        "denoise": "scionwood_seismic.tasks.denoise:Denoise",
        "blind": "scionwood_seismic.tasks.blind:Blind",
    },
    commands={
        "denoise": "scionwood_seismic.verbs.denoise:denoise",
        "simulate": "scionwood_seismic.verbs.simulate:simulate",
        "compare": "scionwood_seismic.verbs.compare:compare",
        "calibrate": "scionwood_seismic.verbs.calibrate:calibrate",
    },
    probes={
        "denoise": "scionwood_seismic.evaluation.behaviour:denoise",
        "blind": "scionwood_seismic.evaluation.behaviour:denoise",
    },
    recipes="scionwood_seismic.recipes",
    bases="scionwood_seismic.bases",
    runs="scionwood_seismic.runs",
    rooms=("synth", "dino"),
    services={
        "denoise": "scionwood_seismic.verbs.denoise_request:denoise_request",
    },
    parsers={
        "streams": "scionwood_seismic.readers.parsers:Streams",
    },
)
