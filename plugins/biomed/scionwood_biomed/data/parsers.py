"""Samples of tables and folders of images, which `scionwood check --fuzz` damages."""

from __future__ import annotations

from pathlib import Path

from scionwood_biomed.data.items import read_items
from scionwood_biomed.readers.archives import UNKNOWN, Archives
from scionwood_biomed.readers.medmnist import MedMnistReader
from scionwood_biomed.readers.pictures import PictureReader
from scionwood_biomed.readers.shards import ShardReader
from scionwood_kit import Parser


class Tables(Parser):
    """Lists of images: a table, a MedMNIST archive and a shard."""

    suffixes = (".csv", ".npz", ".tar")

    @classmethod
    def parse(cls, path: Path) -> object:
        """Return the images of the list."""
        if path.suffix == ".npz":
            names = Archives(class_names=("cyst", "tumour", "other"))
            return read_items(path, subject=UNKNOWN, archives=names)
        return read_items(path)

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write a table of three pictures, or the sample of the archive's reader."""
        if path.suffix == ".npz":
            MedMnistReader.write_sample(path)
        elif path.suffix == ".tar":
            ShardReader.write_sample(path)
        else:
            lines = ["path,label,subject,split"]
            for number in range(3):
                PictureReader.write_sample(path.with_name(f"{number}.png"))
                lines.append(f"{number}.png,{('cyst', 'tumour')[number % 2]},p{number // 2},train")
            path.write_text("\n".join(lines) + "\n", "utf-8")
