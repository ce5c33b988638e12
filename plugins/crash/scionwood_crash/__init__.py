"""Predict how thin-walled parts deform in a crash, on their own meshes.

A `CrashSeries` is a shell mesh with its states over time, whatever file format it came from.

    >>> from scionwood_crash import evaluate_series, open_series, predict_series
    >>> simulated = open_series("bumper.pvd")
    >>> predicted = predict_series(simulated)
    >>> evaluate_series(predicted, simulated)["med"] > 0
    True
"""

from __future__ import annotations

from scionwood import Plugin
from scionwood.authoring import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)

plugin = Plugin(
    name="crash",
    summary="Predict how thin-walled parts deform in a crash: graph networks on shell meshes, "
    "readers of crash files, and a shell solver for training data",
    backbones={
        "mask_morph_unet": "scionwood_crash.backbones:MaskMorphUNet",
        "meshgraphnet": "scionwood_crash.backbones:MeshGraphNet",
        "transolver": "scionwood_crash.backbones:Transolver",
    },
    readers={
        "dyna": "scionwood_crash.readers.dyna:DynaReader",
        "keyword": "scionwood_crash.readers.keyword:KeywordReader",
        "mesh": "scionwood_crash.readers.meshio:MeshReader",
        "radioss": "scionwood_crash.readers.radioss:RadiossReader",
        "vtk_series": "scionwood_crash.readers.vtk_series:VtkSeriesReader",
        "zarr": "scionwood_crash.readers.store:ZarrReader",
    },
    data={
        "suite": "scionwood_crash.data.suite:SuiteParts",
        "files": "scionwood_crash.data.files:FileParts",
    },
    tasks={"displacement": "scionwood_crash.tasks.displacement:Displacement"},
    commands={
        "inspect": "scionwood_crash.verbs.inspect:inspect",
        "simulate": "scionwood_crash.verbs.simulate:simulate",
        "calibrate": "scionwood_crash.verbs.calibrate:calibrate",
        "predict": "scionwood_crash.verbs.predict:predict",
        "evaluate": "scionwood_crash.verbs.evaluate:evaluate",
    },
    probes={"displacement": "scionwood_crash.evaluation.behaviour:displacement"},
    recipes="scionwood_crash.recipes",
    runs="scionwood_crash.runs",
    rooms=("suite", "parts", "morph", "solver"),
    services={
        "predict": "scionwood_crash.verbs.predict_request:predict_request",
    },
    parsers={
        "decks": "scionwood_crash.readers.parsers:Decks",
        "collections": "scionwood_crash.readers.parsers:Collections",
        "simulations": "scionwood_crash.suite.parsers:Simulations",
    },
)
