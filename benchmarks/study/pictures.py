"""The image tasks: photographs, brain slices, chest X-rays and seismic noise, split by source.

An image task has a pool for training, from which draws take the same number of each class, a part
for validation, which chooses rates, and a test part. No source of one part is in another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple, final

import numpy as np
from PIL import Image

from scionwood import ReadError

SIDE = 98
PARTS = ("train", "val", "test")
PHOTOS = (
    *("skimage:data/astronaut.png", "skimage:data/camera.png", "skimage:data/chelsea.png"),
    *("skimage:data/coffee.png", "skimage:data/rocket.jpg", "skimage:data/motorcycle_left.png"),
    *("skimage:data/brick.png", "skimage:data/grass.png", "skimage:data/gravel.png"),
    *("skimage:data/moon.png", "sklearn:datasets/images/china.jpg"),
    "sklearn:datasets/images/flower.jpg",
)
"""Package and file of each picture, which is a class. All become grey: colours tell too much."""
REGIONS = {"train": (0.0, 0.45), "val": (0.45, 0.55), "test": (0.55, 1.0)}
"""Columns of a picture from which the crops of a part come, as shares of its width."""
MAPS, PLANES = ("t1", "gm", "wm"), 3
SLABS = {
    "train": ((0.22, 0.33), (0.25, 0.42), (0.25, 0.42)),
    "val": ((0.345, 0.37), (0.45, 0.50), (0.45, 0.50)),
    "test": ((0.39, 0.50), (0.55, 0.75), (0.55, 0.75)),
}
"""Slabs of the MNI template for each axis. Sagittal ones lie in one hemisphere."""
LOUDEST = 3.0
"""Amplitudes of a gather in units of its RMS are clipped here."""
SNR = (-3.0, 12.0)


@final
class Pool(NamedTuple):
    """The images of one part.

    Attributes:
        image: (image, 98, 98) float32, 0 to 1, grey.
        label: (image,) int64.
    """

    image: np.ndarray
    label: np.ndarray


Pools = dict[str, Pool]


def photos(counts: dict[str, int], _: Path | None = None) -> Pools:
    """Crops of twelve photographs; the class is the picture.

    Training crops come from its left, test crops from its right.
    """
    rng = np.random.default_rng(0)
    pools: dict[str, list[tuple[np.ndarray, int]]] = {part: [] for part in PARTS}
    for label, place in enumerate(PHOTOS):
        package, name = place.split(":")
        grey = Image.open(Path(str(files(package))) / name).convert("L")
        for part in PARTS:
            for _count in range(counts[part]):
                pools[part].append((_crop(grey, REGIONS[part], rng), label))
    return _pools(pools)


def _crop(
    picture: Image.Image, region: tuple[float, float], rng: np.random.Generator
) -> np.ndarray:
    width, height = picture.size
    low, high = (int(share * width) for share in region)
    side = int(min(rng.uniform(0.25, 0.45) * height, high - low))
    left, top = rng.integers(low, high - side + 1), rng.integers(0, height - side + 1)
    return _resized(picture.crop((left, top, left + side, top + side)))


def mni(counts: dict[str, int], _: Path | None = None) -> Pools:
    """Slices of the MNI 2009a template: three planes of a T1 image and of two maps of tissue."""
    import nibabel

    pools: dict[str, list[tuple[np.ndarray, int]]] = {part: [] for part in PARTS}
    folder = Path(str(files("nilearn"))) / "datasets" / "data"
    for kind, short in enumerate(MAPS):
        path = folder / f"mni_icbm152_{short}_tal_nlin_sym_09a_converted.nii.gz"
        volume = np.asarray(nibabel.load(path).dataobj, np.float32).squeeze()  # type: ignore[attr-defined]
        volume /= volume.max()
        for part in PARTS:
            for axis in range(PLANES):
                places = np.linspace(*SLABS[part][axis], counts[part]) * volume.shape[axis]
                for place in places.round().astype(int):
                    slice_ = np.rot90(np.take(volume, place, axis=axis))
                    pools[part].append((_resized(_square(slice_)), PLANES * kind + axis))
    return _pools(pools)


def pneumonia(counts: dict[str, int], path: Path | None = None) -> Pools:
    """Chest X-rays of children, 28 x 28 samples: normal or pneumonia; the splits of MedMNIST."""
    remedy = "Give --pneumonia pneumoniamnist.npz of MedMNIST"
    if path is None or not path.is_file():
        raise ReadError(str(path), "the task reads PneumoniaMNIST", remedy)
    pools: dict[str, list[tuple[np.ndarray, int]]] = {part: [] for part in PARTS}
    rng = np.random.default_rng(0)
    with np.load(path, allow_pickle=False) as data:
        for part in PARTS:
            if f"{part}_images" not in data or data[f"{part}_images"].shape[1:] != (28, 28):
                raise ReadError(str(path), f"it has no {part}_images of 28 x 28", remedy)
            label = data[f"{part}_labels"].ravel()
            for value in (0, 1):
                for at in rng.permutation(np.flatnonzero(label == value))[: counts[part]]:
                    picture = data[f"{part}_images"][at] / 255
                    pools[part].append((_resized(picture), value))
    return _pools(pools)


def noise(counts: dict[str, int], _: Path | None = None) -> Pools:
    """Generated seismic gathers, 98 traces of 98 samples; the class is the kind of noise."""
    from scionwood_seismic.synth.mixture import corrupt
    from scionwood_seismic.synth.noise import NOISES
    from scionwood_seismic.synth.signal import draw_gather

    pools: dict[str, list[tuple[np.ndarray, int]]] = {part: [] for part in PARTS}
    for number, part in enumerate(PARTS):
        for label, kind in enumerate(NOISES):
            for index in range(counts[part]):
                rng = np.random.default_rng([28, number, label, index])
                clean = draw_gather(rng, (SIDE, SIDE))
                noisy = corrupt(rng, clean, kind, rng.uniform(*SNR))
                scaled = noisy / (noisy.std() + 1e-12) / LOUDEST
                pools[part].append((np.clip(scaled, -1, 1) / 2 + 0.5, label))
    return _pools(pools)


TASKS: dict[str, Callable[[dict[str, int], Path | None], Pools]] = {
    "photos": photos,
    "mni": mni,
    "pneumonia": pneumonia,
    "noise": noise,
}


def draw(label: np.ndarray, shots: int, seed: int) -> np.ndarray:
    """Return the places of as many images of each class, drawn from a pool."""
    rng = np.random.default_rng([7, seed])
    return np.concatenate(list(_batches_of_label(label, shots, rng)))


def _batches_of_label(
    label: np.ndarray, shots: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    for value in np.unique(label):
        places = np.flatnonzero(label == value)
        if len(places) < shots:
            rule = f"class {value} has {len(places)} images"
            raise ReadError(f"{shots} shots", rule, "Take fewer")
        yield rng.permutation(places)[:shots]


def _square(picture: np.ndarray) -> np.ndarray:
    side = max(picture.shape)
    before = [(side - n) // 2 for n in picture.shape]
    return np.pad(picture, [(b, side - n - b) for b, n in zip(before, picture.shape, strict=True)])


def _resized(picture: Image.Image | np.ndarray) -> np.ndarray:
    """Return a grey picture of 98 x 98 pixels, 0 to 1."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(_bytes(picture))
    small = image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return np.asarray(small, np.float32) / 255


def _bytes(picture: np.ndarray) -> np.ndarray:
    return (np.clip(picture, 0, 1) * 255).round().astype(np.uint8)


def _pools(pools: dict[str, list[tuple[np.ndarray, int]]]) -> Pools:
    return {
        part: Pool(
            np.stack([image for image, _ in rows]).astype(np.float32),
            np.array([label for _, label in rows], np.int64),
        )
        for part, rows in pools.items()
    }
