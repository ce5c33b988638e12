"""The roles of the projections of an attention block, by their usual names."""

from __future__ import annotations

from collections.abc import Mapping

from scionwood import AdapterError

ROLES = {
    "q_proj": "q",
    "k_proj": "k",
    "v_proj": "v",
    "o_proj": "o",
    "out_proj": "o",
    "query": "q",
    "key": "k",
    "value": "v",
    "qkv": "qkv",
    "proj": "o",
}
"""The role of a projection by the last part of its name: q, k, v, o, or the fused qkv."""


def check_roles(roles: Mapping[str, str]) -> None:
    """Check the option `roles` of a config.

    Raises:
        AdapterError: a role is not q, k, v, o or qkv.
    """
    if wrong := set(roles.values()) - {"q", "k", "v", "o", "qkv"}:
        raise AdapterError(f"roles with {sorted(wrong)}", "a role is q, k, v, o or qkv")
