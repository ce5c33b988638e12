import pytest
from case_table import table

from scionwood import RecipeError, fit, resolve
from scionwood_audio.backbones import Whisper
from scionwood_audio.data.recordings import Recordings
from scionwood_audio.tasks.classify import Classify


def test_the_first_row_of_the_metrics_is_the_fitted_head(tmp_path):
    run = tmp_path / "run"
    fit(resolve("audio/classify", [], smoke=True), run_dir=run)
    head, first, *_ = (run / "metrics.csv").read_text().splitlines()
    row = dict(zip(head.split(","), first.split(","), strict=True))
    assert row["step"] == "0"
    assert float(row["val_accuracy"]) >= 0


def test_a_class_without_a_recording_is_refused():
    names = ["rising", "falling", "steady", "trembling", "x"]
    task = Classify(Whisper(window=0.5, outputs=5), classes=names)
    with pytest.raises(RecipeError, match="class 'x'"):
        task.fit_to(Recordings(n=32, window=0.5).loader("train"))


def test_a_label_that_the_task_does_not_name_is_refused():
    task = Classify(Whisper(window=0.5, outputs=2), classes=["rising", "falling"])
    with pytest.raises(RecipeError, match="the task names rising, falling"):
        task.losses(next(iter(Recordings(n=32, window=0.5).loader("train"))))


@table(
    "what, outputs, classes",
    [("too few outputs", 3, ["a", "b"]), ("a class twice", 2, ["a", "a"]), ("no head", 0, ["a"])],
)
def test_a_class_needs_an_output_of_its_own(what, outputs, classes):
    with pytest.raises(RecipeError, match="one for each class"):
        Classify(Whisper(window=0.5, outputs=outputs), classes=classes)
