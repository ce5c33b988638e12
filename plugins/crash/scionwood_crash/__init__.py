"""Predict how thin-walled parts deform in a crash, on their own meshes."""

from __future__ import annotations

from scionwood import Plugin

plugin = Plugin(
    name="crash",
    summary="Predict how thin-walled parts deform in a crash: graph networks on shell meshes, "
    "readers of crash files, and a shell solver for training data",
    backbones={
        "mask_morph_unet": "scionwood_crash.backbones:mask_morph_unet",
        "meshgraphnet": "scionwood_crash.backbones:meshgraphnet",
        "transolver": "scionwood_crash.backbones:transolver",
        "pyg": "scionwood_crash.backbones:pyg",
    },
    readers={
        "dyna": "scionwood_crash.readers.dyna:DynaReader",
        "keyword": "scionwood_crash.readers.keyword:KeywordReader",
        "mesh": "scionwood_crash.readers.meshio:MeshReader",
        "radioss": "scionwood_crash.readers.radioss:RadiossReader",
        "vtkhdf": "scionwood_crash.readers.vtkhdf:VtkHdfReader",
        "vtk_series": "scionwood_crash.readers.vtk_series:VtkSeriesReader",
        "zarr": "scionwood_crash.readers.store:ZarrReader",
    },
    data={
        "suite": "scionwood_crash.data.suite:SuiteParts",
        "files": "scionwood_crash.data.files:FileParts",
    },
    tasks={"displacement": "scionwood_crash.tasks.displacement:Displacement"},
    commands={
        "inspect": "scionwood_crash.cli.inspection:inspect",
        "simulate": "scionwood_crash.cli:simulate",
        "calibrate": "scionwood_crash.cli:calibrate",
        "predict": "scionwood_crash.cli:predict",
        "evaluate": "scionwood_crash.cli:evaluate",
    },
    probes={"displacement": "scionwood_crash.evaluation.behaviour:displacement"},
    recipes="scionwood_crash.recipes",
    runs="scionwood_crash.runs",
    rooms=("suite", "parts", "morph", "solver", "pyg"),
    services={
        "predict": "scionwood_crash.services:predict",
    },
    parsers={
        "decks": "scionwood_crash.readers.parsers:Decks",
        "collections": "scionwood_crash.readers.parsers:Collections",
        "simulations": "scionwood_crash.suite.parsers:Simulations",
    },
)
