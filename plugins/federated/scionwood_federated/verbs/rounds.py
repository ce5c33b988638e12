"""A federation by files: `scionwood federated begin | fit | round | pool | keys | decrypt`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Literal

from scionwood.authoring import InputPath, OutputPath, RunPath, print_table
from scionwood_federated.schedule import RuleName

Holds = Literal["A", "B"]


def begin(
    recipe: str,
    out: OutputPath,
    *,
    own: list[str] | None = None,
    override: list[str] | None = None,
    smoke: bool = False,
) -> None:
    """Write what the first round starts from. All sites get this folder.

    Args:
        recipe: the recipe that all sites share, by name or file.
        out: the folder to write.
        own: further options of the data that each site sets for itself, such as '[dt]'. Paths,
            counts and seeds are their own anyway.
        override: changes of the recipe, such as '[trainer.max_steps=50]'.
        smoke: take a few steps at the smallest size.

    Raises:
        FederationError: the recipe has no adapter.
        OutputExistsError: the folder exists.
    """
    from scionwood import resolve
    from scionwood_federated.update.folder import begin_round

    start = begin_round(resolve(recipe, override or [], smoke=smoke), out, own=tuple(own or ()))
    print(f"{out}: send it to every site")
    print(f"their own options of the data: {', '.join(start.about.own)}", file=sys.stderr)


def fit(
    start: InputPath,
    run: Path,
    *,
    recipe: str | None = None,
    override: list[str] | None = None,
    hold: Holds | None = None,
    personal: RunPath | None = None,
    private: str | None = None,
    after: RunPath | None = None,
) -> None:
    """Train at a site, from the folder that all sites got.

    Args:
        start: the folder that `begin` or `pool` wrote.
        run: the run folder to write.
        recipe: the recipe; by default that of the start.
        override: the options that are the site's own, such as '[data.source=/data/scans]'.
        hold: the factor of a LoRA that does not move; A for the rule frozen_a.
        personal: the last run of this site, whose head is used where heads stay at their sites.
        private: a budget of differential privacy, such as 'epsilon=8,delta=1e-5,clip=1'. The update
            states what was spent. The loss must be a mean over samples.
        after: the last private run of this site, whose spent budget adds up with this one.

    Raises:
        FederationError: the recipe is not that of the start, or cannot be trained privately.
        AdapterFileError: the start is damaged, or was made for another base.
        ReadError: there is no recipe.
    """
    from scionwood_federated.update.training import privacy_of, train_site

    budget = None if private is None else privacy_of(private, after)
    chosen = recipe or start / "recipe.yaml"
    words = tuple(override or ())
    print(
        train_site(
            chosen, start, run, overrides=words, hold=hold or "", head_of=personal, privacy=budget
        )
    )


def round(
    run: RunPath,
    target: OutputPath,
    *,
    site: str,
    samples: int | None = None,
    personal: bool = False,
    encrypt: InputPath | None = None,
    start: InputPath | None = None,
    rounds: int = 200,
) -> None:
    """Write the update of a run: the adapter, the head, and a record without any data.

    Args:
        run: the run of this site.
        target: the folder to write, which goes to whoever pools.
        site: the name of this site.
        samples: the number of training samples; by default they are counted, which reads the data.
        personal: keep the head at the site.
        encrypt: the public key, so that only sites can read the sum of the updates. It needs
            `--start`, and a run that was trained with `--hold A`.
        start: what the round started from, for `--encrypt`.
        rounds: the number of all rounds. With `--encrypt`, after a fifth of them the smallest 20 to
            50 % of the changes are pruned to 0.

    Raises:
        TrainingError: the run has no adapter.
        FederationError: the samples cannot be counted, or the update cannot be encrypted.
        OutputExistsError: the folder exists.
    """
    from scionwood_federated.update.folder import update_of, write_update

    update = update_of(run, site=site, samples=samples, personal=personal)
    if encrypt is None:
        write_update(update, target)
    else:
        from scionwood_federated.privacy.folders import write_encrypted

        write_encrypted(update, start, encrypt, target, rounds=rounds)
    size = sum(path.stat().st_size for path in Path(target).rglob("*") if path.is_file())
    about = update.about
    facts = f"round {about.round}, {about.samples} samples, {about.steps} steps, {size:,} bytes"
    print(f"{target}: {facts}")


def pool(
    updates: list[Path],
    target: OutputPath,
    *,
    rule: RuleName = "exact",
    start: InputPath | None = None,
    recipe: str | None = None,
    most_samples: int | None = None,
    options: dict[str, Any] | None = None,
    key: InputPath | None = None,
    json: bool = False,
) -> None:
    """Pool the updates of sites into the folder that the next round starts from.

    Everything is checked before anything is summed: base, recipe, preprocessing, round, start,
    tensors and values.

    Args:
        updates: the folders that the sites sent.
        target: the folder to write. With `--start` or `--recipe` it is a run for every command.
        rule: how to pool. The rule factors is a baseline that is known to be wrong.
        start: what the round started from.
        recipe: the recipe of the sites, if there is no start.
        most_samples: the largest number of samples that a site may claim; by default ten times the
            median.
        options: of the rule, such as '{share: 0.1}' for trimmed.
        key: the public key, if the updates are encrypted. Then only the rule frozen_a is exact, and
            a site decrypts the folder: `scionwood federated decrypt`.
        json: print JSON.

    Raises:
        FederationError: updates do not fit together; the message names the site.
        AdapterFileError: a folder is damaged or hostile.
        OutputExistsError: the folder exists.
    """
    from scionwood_federated.privacy.folders import is_encrypted, sum_encrypted
    from scionwood_federated.update.pooling import pool as pool_folders

    if any(is_encrypted(folder) for folder in updates):
        if key is None:
            from scionwood_federated.update.record import FederationError

            raise FederationError(
                "encrypted updates", "their sum needs the public key", "Add --key"
            )
        about = sum_encrypted(updates, key, target, rule=rule, most_samples=most_samples)
        print(f"{target}: the sum of {len(updates)} encrypted updates, {about.samples} samples")
        return
    report = pool_folders(
        updates,
        target,
        rule=rule,
        start=start,
        recipe=recipe,
        most_samples=most_samples,
        options=options,
    )
    if json:
        from json import dumps

        print(dumps({**vars(report), "out": str(report.out)}, indent=2))
        return
    print_table(["site", "samples"], list(report.sites.items()), numeric=["samples"])
    print(f"\n{report.out}: round {report.round} by {report.rule}; ", end="")
    print(f"{100 * report.lost:.2g} % of the energy did not fit into the rank")
    if not (report.out / "recipe.yaml").exists():
        print("Add --start or --recipe, and the folder is also a run", file=sys.stderr)


def keys(out: OutputPath) -> None:
    """Write a secret key for the sites, and a public key for the sites and whoever sums.

    All sites share the secret key, and whoever sums must not have it. One site together with the
    server can read an update of another site.

    Args:
        out: the folder to write.

    Raises:
        FederationError: TenSEAL is not installed.
        OutputExistsError: the folder exists.
    """
    from scionwood_federated.privacy.encryption import PUBLIC, SECRET, make_keys

    make_keys(out)
    print(f"{out}: {SECRET} for the sites only, {PUBLIC} for the sites and the server")


def decrypt(
    folder: InputPath, start: InputPath, out: OutputPath, *, key: InputPath | None = None
) -> None:
    """Decrypt a sum of encrypted updates at a site, into what the next round starts from.

    Args:
        folder: the folder that `pool --key` wrote.
        start: what the round started from.
        out: the folder to write.
        key: the secret key; by default `keys/secret.key`.

    Raises:
        FederationError: the key is a public one or of other sites, or the start is another one.
        AdapterFileError: a file is damaged.
        OutputExistsError: the folder exists.
    """
    from scionwood_federated.privacy.folders import decrypt_sum

    decrypt_sum(folder, key or Path("keys") / "secret.key", start, out)
    print(out)
