from scionwood_share.publish import push as push
from scionwood_share.signature import sign as sign

__all__: list[str]
