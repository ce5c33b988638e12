"""Upload a run to the hub, through `huggingface_hub`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from scionwood.errors import OutputExistsError, WriteError
from scionwood.runs.hub import LOG_IN, answers, bars, client
from scionwood.runs.layout import AT_TOP, OF_ADAPTER
from scionwood.runs.remote import refuse_offline

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_SHARED = (*OF_ADAPTER, *AT_TOP, "*.json", "figures/*.png")  # as the client matches names


def upload(repository: str, folder: Path, *, public: bool, force: bool) -> str:
    """Write a folder as the content of a repository, which is created if it is missing.

    Returns:
        The commit.

    Raises:
        OutputExistsError: the repository holds files, and `force` is false.
        WriteError: no access token; the hub refuses it or cannot be reached; the repository is
            public and `public` is false.
    """
    refuse_offline(f"hf:{repository}")
    from huggingface_hub import get_token

    if not get_token():
        raise WriteError(f"hf:{repository}", "uploading needs an access token", LOG_IN)
    with answers(repository, WriteError), bars():
        hub = client()
        _check_present(hub, repository, public=public, force=force)
        hub.create_repo(repository, private=not public, exist_ok=True)
        commit = hub.upload_folder(
            repo_id=repository,
            folder_path=folder,
            commit_message="Add a run of Scionwood",
            allow_patterns=list(_SHARED),
            delete_patterns=list(_SHARED),
        )
        return str(commit.oid)


def _check_present(hub: HfApi, repository: str, *, public: bool, force: bool) -> None:
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = hub.model_info(repository)
    except RepositoryNotFoundError:
        return
    if not info.private and not public:
        rule = "the repository exists and is public"
        raise WriteError(f"hf:{repository}", rule, "Push with --public, or choose another name")
    if info.private and public:
        print(f"hf:{repository} exists and stays private", file=sys.stderr)
    filenames = [
        file.rfilename for file in info.siblings or [] if file.rfilename != ".gitattributes"
    ]
    if filenames and not force:
        rule = f"the repository holds files already, such as {filenames[0]}"
        raise OutputExistsError(f"hf:{repository}", rule, "Replace the run in it with --force")
