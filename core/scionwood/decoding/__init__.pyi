from scionwood.decoding.calls import call_in_child as call_in_child
from scionwood.decoding.limits import Limits as Limits
from scionwood.decoding.remote import open_in_child as open_in_child
from scionwood.decoding.session import Session as Session
from scionwood.decoding.session import one_child as one_child
from scionwood.decoding.switch import enforced as enforced

__all__: list[str]
