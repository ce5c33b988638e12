"""Tadpole, a foundation model for three-dimensional PDEs: autoencoding, dynamics, generation."""

from __future__ import annotations

from scionwood import Plugin
from scionwood.authoring import attach_stub

plugin = Plugin(
    name="pde",
    summary="Adapt Tadpole, a foundation model for three-dimensional PDEs: compress fields, "
    "predict the next state, generate new states",
    backbones={
        "tadpole": "scionwood_pde.backbones:Tadpole",
        "tadpole_dynamics": "scionwood_pde.backbones:TadpoleDynamics",
        "tadpole_flow": "scionwood_pde.backbones:TadpoleFlow",
        "tadpole_mixed": "scionwood_pde.backbones:MixedForecast",
        "bilinear": "scionwood_pde.backbones:BilinearForecast",
        "spectral": "scionwood_pde.backbones:SpectralForecast",
        "corrector": "scionwood_pde.backbones:Corrector",
        "unet": "scionwood_pde.backbones:UNetForecast",
        "fno": "scionwood_pde.backbones:FNOForecast",
        "tfno": "scionwood_pde.backbones:TFNOForecast",
        "poseidon": "scionwood_pde.backbones:PoseidonForecast",
        "mpp": "scionwood_pde.backbones:MPPForecast",
    },
    readers={
        "well": "scionwood_pde.readers.hdf5:WellReader",
        "pdebench": "scionwood_pde.readers.hdf5:PDEBenchReader",
        "netcdf": "scionwood_pde.readers.labelled:NetCDFReader",
        "zarr": "scionwood_pde.readers.labelled:ZarrReader",
    },
    data={
        "online": "scionwood_pde.data.online:OnlineFields",
        "trajectories": "scionwood_pde.data.trajectories:Trajectories",
        "files": "scionwood_pde.data.files:Files",
    },
    tasks={
        "autoencode": "scionwood_pde.tasks.states:Autoencode",
        "dynamics": "scionwood_pde.tasks.dynamics:Dynamics",
        "generate": "scionwood_pde.tasks.states:Generate",
    },
    adapters={"balanced_lora": "scionwood_pde.adapters.balanced:BalancedLoraConfig"},
    commands={
        "simulate": "scionwood_pde.verbs.simulate:simulate",
        "convert": "scionwood_pde.verbs.convert:convert",
        "encode": "scionwood_pde.verbs.encode:encode",
        "decode": "scionwood_pde.verbs.decode:decode",
        "rollout": "scionwood_pde.verbs.rollout:rollout",
        "evaluate": "scionwood_pde.verbs.evaluate:evaluate",
        "choose": "scionwood_pde.verbs.choose:choose",
    },
    probes={
        "autoencode": "scionwood_pde.evaluation.behaviour:autoencode",
        "dynamics": "scionwood_pde.evaluation.behaviour:dynamics",
        "generate": "scionwood_pde.evaluation.behaviour:generate",
    },
    recipes="scionwood_pde.recipes",
    bases="scionwood_pde.bases",
    runs="scionwood_pde.runs",
    rooms=("solvers", "online"),
    services={
        "rollout": "scionwood_pde.verbs.requests:rollout_request",
        "encode": "scionwood_pde.verbs.requests:encode_request",
    },
    parsers={
        "caches": "scionwood_pde.readers.parsers:Caches",
        "grids": "scionwood_pde.readers.parsers:Grids",
        "netcdf3": "scionwood_pde.readers.parsers:NetCDF3",
        "arrays": "scionwood_pde.readers.parsers:Arrays",
        "scenes": "scionwood_pde.readers.parsers:Scenes",
        "vtk": "scionwood_pde.readers.parsers:VtkGrids",
        "normalisers": "scionwood_pde.data.parsers:Normalisers",
    },
)

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
