"""The judge, and samplers measured by it, on the built-in digits."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from aetool import Bundle, Codec
from aetool.errors import InvalidInput
from aetool.generation.sampling import SAMPLERS, Neighbours
from aetool.system.paths import cache_folder
from aetool.training.data.dataset import load
from aetool.training.evaluation import judge, quality


def quiet(*_):
    """Report to nobody."""


@pytest.fixture(scope="module")
def data():
    return load("digits", 0)


@pytest.fixture(scope="module")
def judged(data):
    return judge.find_judge(data, 1, quiet)


def test_the_judge_knows_the_digits(judged, data):
    assert judge.accuracy(judged, data) > 0.97
    features, labels = judge.judgements(judged, data.test.pixels)
    assert features.shape == (len(labels), judge.FEATURES) and features.dtype == np.float32
    assert np.array_equal(judge.judgements(judged, data.test.pixels[:7])[1], labels[:7])


def test_the_judge_is_trained_once_and_anew_where_the_cache_is_damaged(judged, data, monkeypatch):
    def refuse(*_):
        raise AssertionError("trained again")

    monkeypatch.setattr(judge, "train", refuse)
    again = judge.find_judge(data, 1, quiet)
    for name, tensor in judged.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])
    (kept,) = (cache_folder() / "judges").iterdir()
    whole = kept.read_bytes()
    for damaged in (b"", whole[:100], whole[:-1]):
        kept.write_bytes(damaged)
        with pytest.raises(AssertionError, match="trained again"):
            judge.find_judge(data, 1, quiet)
    kept.write_bytes(whole)


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 64, 64), (16, 9, 512), (3, 512, 8), (4, 100, 33)])
def test_a_judge_of_images_of_any_size_has_as_many_features_and_about_the_same_work(shape):
    made = judge.Judge(shape, 3)
    features, labels = judge.judgements(made, np.zeros((2, *shape), np.uint8))
    assert features.shape == (2, judge.FEATURES) and labels.shape == (2,)
    assert sum(isinstance(layer, torch.nn.Conv2d) for layer in made.body) == 4
    assert sum(parameter.numel() for parameter in made.parameters()) < 700_000


def test_the_steps_of_a_judge_follow_from_the_number_of_images():
    plans = [judge.plan(n) for n in (10, 100, 300, 2_000, 10_000, 60_000, 1_000_000)]
    assert all(batch <= n for (batch, _), n in zip(plans, (10, 100, 300), strict=False))
    seen = [batch * steps for batch, steps in plans]
    assert seen == sorted(seen) and seen[0] < 2_000 and seen[5] <= 300_000
    assert plans[5][0] == 256 and plans[2][0] == 16


def test_images_without_a_class_teach_the_judge_nothing(data, monkeypatch):
    monkeypatch.setattr(judge, "plan", lambda _: (50, 30))
    labels = data.train.labels.copy()
    labels[::2] = -1
    some = replace(data, train=replace(data.train, labels=labels))
    known = replace(data, train=quality._chosen(data.train, np.flatnonzero(labels >= 0)))
    weights = []
    for one in (some, known):
        torch.manual_seed(0)
        made = judge.Judge(data.spec.shape, 10)
        judge.train(made, one, quiet)
        weights.append(made.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_another_split_has_another_judge(data):
    assert judge._key(data) != judge._key(load("digits", 1))


def test_without_classes_there_is_no_judge(data):
    with pytest.raises(InvalidInput, match="no classes"):
        judge.find_judge(replace(data, classes=()), 1, quiet)


@pytest.fixture(scope="module")
def rows(digits, data, judged):
    bundle = Bundle.read(digits)
    codec = Codec(bundle, "cpu", 1)
    samplers = {"neighbours": SAMPLERS["neighbours"], "copies": Neighbours(low=0, high=0)}
    return {row.name: row for row in quality.evaluate(bundle, codec, data, judged, samplers, 0, quiet)}


def test_yardsticks_are_what_ratios_are_taken_to(rows):
    assert list(rows) == [
        "real training images", "test reconstructions", "training reconstructions", "neighbours", "copies"
    ]  # fmt: skip
    assert rows["real training images"].novelty == 0
    assert rows["test reconstructions"].novelty == pytest.approx(1)
    assert rows["training reconstructions"].ratio == pytest.approx(1)
    assert rows["real training images"].accuracy > 0.97


def test_mixing_neighbours_is_newer_than_copying(rows):
    assert rows["neighbours"].novelty > rows["copies"].novelty > 0
    assert rows["neighbours"].accuracy > 0.9 and rows["neighbours"].support.precision > 0.8


def test_a_row_names_its_worst_class_and_is_plain_json(rows):
    row = rows["neighbours"]
    assert list(row.by_class) == list("0123456789") and row.worst == min(row.by_class.values())
    fields = json.loads(json.dumps(row.to_dict()))
    assert fields["worst_class"] == row.worst and fields["recall"] == row.support.recall


def test_the_seed_decides_the_rows(digits, data, judged, rows):
    bundle = Bundle.read(digits)
    codec = Codec(bundle, "cpu", 1)
    samplers = {"neighbours": SAMPLERS["neighbours"], "copies": Neighbours(low=0, high=0)}
    assert {row.name: row for row in quality.evaluate(bundle, codec, data, judged, samplers, 0, quiet)} == rows
    other = list(quality.evaluate(bundle, codec, data, judged, {"neighbours": SAMPLERS["neighbours"]}, 1, quiet))
    assert other[-1] != rows["neighbours"]


def test_yardsticks_have_the_counts_of_the_test_set(data):
    chosen = quality._like(data.train, data.test.labels, 3)
    assert np.array_equal(np.bincount(chosen.labels), np.bincount(data.test.labels))
    few = quality._like(data.test, data.train.labels, 3)  # more asked for than there are
    assert np.array_equal(np.bincount(few.labels), np.bincount(data.test.labels))


# The command


def test_evaluate_reports_in_text_and_json(cli, digits):
    code, out, err = cli(
        "evaluate", digits, "--method", "neighbours count=5", "--method", "gaussian", "--json", "-q", "--threads", "1"
    )
    assert code == 0 and err == ""
    found = json.loads(out)
    assert [row["name"] for row in found["rows"]][3:] == ["neighbours count=5", "gaussian"]
    assert found["judge"]["accuracy"] > 0.97 and found["model"]["identity"] == Bundle.read(digits).identity
    assert found["distortion"]["test"] == pytest.approx(Bundle.read(digits).manifest.distortion["test"], rel=1e-5)
    assert 0.0095 < found["distortion"]["pca"] < 0.0110
    code, out, _ = cli("evaluate", digits, "--threads", "1")
    lines = out.decode().splitlines()
    assert code == 0 and max(map(len, lines)) <= 100
    assert lines[3].split()[:2] == ["accuracy", "worst"]
    assert [line.split()[0] for line in lines[7:]] == list(SAMPLERS)


@pytest.mark.parametrize("method", ["", " ", "gauss", "neighbours count", "neighbours count=x", "gmm count=2"])
def test_a_wrong_method_is_refused_before_anything_is_read(cli, method, workplace):
    code, out, err = cli("evaluate", "nowhere", "--method", method)
    assert code == 2 and out == b"" and err.count("\n") == 1


def test_other_data_are_refused_or_said(cli, digits, workplace):
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8)
    np.savez("other.npz", images=images, labels=np.arange(40) % 10)
    code, _, err = cli("evaluate", digits, "--data", "other.npz", "--method", "gaussian", "--threads", "1")
    assert code == 0 and "is not what" in err
    np.savez("wide.npz", images=np.zeros((40, 9, 9), np.uint8), labels=np.arange(40) % 10)
    code, _, err = cli("evaluate", digits, "--data", "wide.npz")
    assert code == 4 and "other images or classes" in err


def test_a_model_of_a_folder_is_told_where_that_is(cli, toy):
    code, _, err = cli("evaluate", toy)
    assert code == 2 and "--data" in err
