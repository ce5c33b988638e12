from scionwood_export.run import export_run as export_run

__all__: list[str]
