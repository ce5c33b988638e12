from scionwood_bases.fetch import get_base as get_base
from scionwood_bases.verify import Finding as Finding
from scionwood_bases.verify import verify_base as verify_base

__all__: list[str]
