"""The bridge to MONAI and DICOM SEG, where the extra `monai` is installed."""

import numpy as np
import pydicom
import pytest
import torch
from case_table import table

from scionwood import ReadError, RecipeError
from scionwood_biomed.backbones import segmenter
from scionwood_biomed.inference.masks import write_seg
from scionwood_biomed.readers.masks import masked_of

from .scans import body, write_series

pytestmark = pytest.mark.filterwarnings("ignore")  # those of MONAI and highdicom


@pytest.fixture
def series(tmp_path):
    folder = write_series(tmp_path / "s", [body(60 + at) for at in range(4)], patient="P1")
    frame = pydicom.uid.generate_uid()
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.FrameOfReferenceUID = frame
        dataset.save_as(path)
    return folder


def test_load_image_gets_a_sorted_series_with_its_affine(series):
    transforms = pytest.importorskip("monai.transforms")
    from scionwood_biomed.monai.reader import ScionwoodReader

    image = transforms.LoadImage(reader=ScionwoodReader(), ensure_channel_first=True)(str(series))
    assert image.shape == (1, 64, 64, 4)
    assert np.allclose(image.affine, np.diag([-1, -1, 5, 1]))
    assert image[0].max(0).values.max(0).values.tolist() == [60, 61, 62, 63]


def test_any_network_of_monai_is_a_segmenter():
    pytest.importorskip("monai")
    network = segmenter(model="monai:UNet", classes=["cyst", "tumour"])
    assert network(*network.example_input()).shape == (2, 3, 64, 64)


def test_a_dicom_seg_comes_back_on_the_grid_of_its_series(series, tmp_path):
    """Its thickness is stated, or the distance of the slices."""
    pytest.importorskip("highdicom")
    mask = np.zeros((4, 64, 64), np.uint8)
    mask[2, 10:20, 10:20] = 1
    write_seg(series, tmp_path / "m.dcm", mask, ["lesion"])
    picture, labels = masked_of(series, tmp_path / "m.dcm", "soft_tissue", 1)
    assert (labels == mask).all()
    assert picture.shape == mask.shape
    assert _thickness(tmp_path / "m.dcm") == 5  # the series of `write_series` states none
    for number in range(1, 4):
        (series / f"{number}.dcm").rename(tmp_path / f"{number}.dcm")
    with pytest.raises(ReadError, match="no SliceThickness"):
        write_seg(series, tmp_path / "one.dcm", np.ones((1, 64, 64), np.uint8), ["lesion"])
    for path in (*series.iterdir(), *(tmp_path / f"{number}.dcm" for number in range(1, 4))):
        dataset = pydicom.dcmread(path)
        dataset.SliceThickness = 2.5
        dataset.save_as(series / path.name)
    write_seg(series, tmp_path / "s.dcm", mask, ["lesion"])
    assert _thickness(tmp_path / "s.dcm") == 2.5


def _thickness(path):
    shared = pydicom.dcmread(path).SharedFunctionalGroupsSequence[0]
    return float(shared.PixelMeasuresSequence[0].SliceThickness)


def test_transforms_by_name_move_a_mask_with_its_image():
    pytest.importorskip("monai.transforms")
    from scionwood_biomed.data.masks import MaskPhantoms

    steps = [{"RandFlipd": {"prob": 1.0, "spatial_axis": 1}}]
    plain, flipped = MaskPhantoms(subjects=8), MaskPhantoms(subjects=8, transforms=steps)
    one, other = plain.loader("train").dataset[0], flipped.loader("train").dataset[0]
    assert torch.equal(other["image"], one["image"].flip(-1))
    assert torch.equal(other["mask"], one["mask"].flip(-1))
    for split in ("val", "test"):
        same = flipped.loader(split).dataset[0], plain.loader(split).dataset[0]
        assert torch.equal(same[0]["image"], same[1]["image"])


def test_transforms_of_a_volume_keep_its_layout():
    pytest.importorskip("monai.transforms")
    from scionwood_biomed.monai.transforms import Augmentation

    volume = torch.rand(4, 3, 5, 6)
    flip = Augmentation([{"RandFlipd": {"prob": 1.0, "spatial_axis": 0}}])
    assert torch.equal(flip({"image": volume})["image"], volume.flip(0))
    noise = Augmentation([{"RandGaussianNoised": {"prob": 1.0, "std": 0.1}}])
    noisy = noise({"image": volume, "mask": torch.ones(5, 6, dtype=torch.int64)})
    assert not torch.equal(noisy["image"], volume)
    assert noisy["mask"].eq(1).all()


@table(
    "steps",
    [
        [{"RandLambdad": {"func": "print"}}],
        [{"LoadImaged": {}}],
        [{"RandFlipd": {"prop": 1.0}}],
        [{"RandFlipd": {}, "RandRotated": {}}],
        [{"RandAffined": {"prob": "often"}}],
    ],
    ids=["lambda", "loader", "option", "two", "value"],
)
def test_other_transforms_are_refused_by_name(steps):
    pytest.importorskip("monai.transforms")
    from scionwood_biomed.monai.transforms import Augmentation

    with pytest.raises(RecipeError, match=next(iter(steps[0]))):
        Augmentation(steps)


def test_a_network_in_three_dimensions_answers_for_volumes_and_takes_lora():
    pytest.importorskip("monai")
    from peft import LoraConfig

    from scionwood import attach
    from scionwood_biomed.backbones import BlockClassifier

    network = BlockClassifier(model="monai:ResNet", slices=8, classes=["no", "yes"])
    volumes = network.example_input()[0]
    assert network(volumes).shape == (2, 2)
    with pytest.raises(RecipeError, match="8 slices"):
        network(volumes[:, :4])
    with pytest.raises(RecipeError, match="takes single images"):
        BlockClassifier(slices=8)
    model = attach(network, LoraConfig(r=2), targets="vision")
    trained = [name for name, value in model.named_parameters() if value.requires_grad]
    assert any("layer4.0.conv2.lora_A" in name for name in trained)
