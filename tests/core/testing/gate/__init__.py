"""A plugin that adds a method and nothing else; the fixture installs it as `scionwood_sample`."""

from scionwood import Plugin

plugin = Plugin(
    "sample", "A method and nothing else", adapters={"gate": "scionwood_sample.method:GateConfig"}
)
