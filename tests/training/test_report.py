"""report.html of a run: complete in itself, true, escaped, and without an effect on the training."""

from __future__ import annotations

import re
import warnings
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from aetool.training.config import TrainConfig
from aetool.training.report import following
from aetool.training.report.curve import Axes, _ticks, curve
from aetool.training.session import open_run, train

VOID = {"meta", "img", "br", "link"}


class Page(HTMLParser):
    """A page as a parser sees it: its elements with attributes, and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source, self.elements, self.texts, self.open = path.read_text(), [], [], []
        self.feed(self.source)
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def refreshes(page: Page) -> bool:
    return any(meta.get("http-equiv") == "refresh" for meta in page.all("meta"))


def pictures(folder: Path, names: list[str], count: int = 8, shape: tuple[int, ...] = (16, 16, 3)) -> Path:
    from PIL import Image

    rng = np.random.default_rng(0)
    for name in names:
        (folder / name).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(folder / name / f"{i}.png")
    return folder


def trained(data: str, **settings: object) -> Page:
    """Return the page of a short training on `data`; every warning is an error."""
    config = TrainConfig(dataset=data, epochs=1, batch_size=4, latent_size=2, **settings)
    return Page(train(config=config, data=data) / "report.html")


def test_the_page_of_a_run_is_complete_in_itself(digits_run):
    page = Page(digits_run / "report.html")
    assert not refreshes(page) and not page.all("script") and not page.all("link")
    assert all(img["src"].startswith("data:image/") and img["alt"] for img in page.all("img"))
    assert len(page.all("img")) == 3 * 6 * 2 + 10 * 8
    assert not re.search(r"https?:|//|@import|url\(", re.sub(r"base64,[^\"]*", "", page.source))
    (policy,) = (m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert str(digits_run.parent) not in page.source and "prefers-color-scheme: dark" in page.source


def test_the_page_of_a_finished_run_says_what_came_out(digits_run):
    import json

    page = Page(digits_run / "report.html")
    log = [json.loads(line) for line in (digits_run / "log.jsonl").read_text().splitlines()]
    best = min(log, key=lambda entry: entry["validation_mse"])
    assert f"{best['test_mse']:.5f} test mse of the best network" in page.text
    assert f"{best['pca_mse']:.5f} mse of PCA" in page.text and f"best network: epoch {best['epoch']}" in page.text
    assert all(
        f"aetool {words}" in page.text for words in ("export runs/digits", "sample --each", "train --more-epochs")
    )
    assert "widths 32, 64, 128; depth 1" in page.text and "179 held-out images" in page.text
    assert "finished" in page.text and "Best" in page.text and "Median" in page.text and "Worst" in page.text
    errors = [float(found) for found in re.findall(r"mse (0\.\d{4}) ", page.text)]
    assert len(errors) == 18 and errors[:12] == sorted(errors[:12]) and errors[12:] == sorted(errors[12:], reverse=True)


def test_pages_change_no_bit_of_the_weights(workplace, monkeypatch):
    monkeypatch.setattr(following, "APART", 0)
    monkeypatch.setattr(following, "SHARE", 1e9)
    data, weights, pages = str(pictures(Path("data"), ["a", "b"], 12)), [], []
    monkeypatch.setattr(following, "write_file", lambda path, data: pages.append(data))
    for followed in (False, True):
        with open_run(TrainConfig(data, epochs=2, batch_size=8, elastic=1.0), lambda *_: None) as (trainer, _):
            for _ in following.followed(trainer, pytest.fail) if followed else trainer.reports():
                pass
            weights.append({name: tensor.clone() for name, tensor in trainer.network.state_dict().items()})
    assert len(pages) == 3 and b"refresh" in pages[0] and b"refresh" in pages[1] and b"refresh" not in pages[2]
    assert all(weights[0][name].numpy().tobytes() == tensor.numpy().tobytes() for name, tensor in weights[1].items())


def test_a_page_that_cannot_be_written_is_told_once_and_training_goes_on(cli, workplace):
    data = pictures(Path("data"), ["a"], 20, (8, 8))
    assert cli("train", data, "--epochs", 1, "-q", "--name", "one", "--threads", 1)[0] == 0
    (Path("runs/one/report.html")).unlink()
    Path("runs/one/report.html").mkdir()
    code, out, err = cli("train", "--more-epochs", 1, "runs/one", "-q")
    assert (code, out) == (0, b"runs/one\n")
    assert err.count("could not write runs/one/report.html: Is a directory; training goes on without it") == 1


def test_whatever_fails_in_a_page_is_told_and_training_goes_on(workplace, monkeypatch):
    def fail(*_):
        raise MemoryError("no room")

    monkeypatch.setattr(following, "shown", fail)
    with pytest.warns(UserWarning, match=r"report\.html could not be made: MemoryError: no room; training") as told:
        run = train(config=TrainConfig(epochs=1))
    assert len(told) == 1 and (run / "log.jsonl").exists() and not (run / "report.html").exists()


def test_a_stopped_training_says_how_it_goes_on(workplace):
    data = pictures(Path("data"), ["a", "b"], 20)
    with open_run(TrainConfig(str(data), epochs=30), lambda *_: None) as (trainer, _):
        for report in following.followed(trainer, pytest.fail):
            assert refreshes(Page(trainer.run / "report.html"))
            if report.entry:
                trainer.save()
                break
    page = Page(trainer.run / "report.html")
    assert not refreshes(page) and "stopped at step" in page.text
    assert "aetool train --resume runs/data" in page.text and "aetool export runs/data" in page.text


def test_names_of_folders_are_text(workplace):
    odd = ["</script><b>bold", 'a & "b"', "<img src=x onerror=alert(1)>", "\u202eevil", "x" * 90]
    data = pictures(Path("</style><h1>data"), [name.replace("/", "\u2215") for name in odd[1:]] + ["<b>"])
    page = trained(str(data))
    assert all(name in page.text for name in (odd[1], odd[2], "<b>", odd[4])) and "\\u202e" in page.text
    assert len(page.all("h1")) == 1 and page.all("b") and all(not b for b in page.all("b"))
    assert not page.all("script") and all("onerror" not in attributes for _, attributes in page.elements)


@pytest.mark.parametrize(
    ("names", "count", "shape"),
    [([""], 20, (8, 8)), (["a"], 20, (8, 40, 3)), ([str(i) for i in range(130)], 2, (8, 8)), (["a", "b"], 8, (70, 90))],
)
def test_all_kinds_of_folders_have_a_page(workplace, names, count, shape):
    page = trained(str(pictures(Path("data"), names, count, shape)))
    classes = [name for name in names if name]
    assert len(page.all("h3")) == 3 + min(len(classes), 120)
    assert ("The first 120 classes" in page.text) == (len(classes) == 130)


@pytest.mark.parametrize("channels", [2, 5])
def test_images_that_are_no_pictures_show_some_channels(workplace, channels):
    np.savez("data.npz", images=np.random.default_rng(0).integers(0, 256, (40, channels, 8, 8), np.uint8))
    page = trained("data.npz")
    assert len(page.all("img")) == 3 * 1 * 2 + 8


def test_without_held_out_images_those_of_training_are_shown(workplace):
    page = trained(str(pictures(Path("data"), [str(i) for i in range(20)], 1, (8, 8))))
    assert "training images, as none are held out" in page.text and "not measured" in page.text


def test_a_slow_page_is_made_less_often(monkeypatch):
    monkeypatch.setattr(following.time, "monotonic", lambda: 100.0)
    pages = following._Pages(None, pytest.fail)
    pages.made_at, pages.cost = 95.0, 0.05
    assert pages.due()
    pages.cost = 0.06
    assert not pages.due()


def entry(epoch: int, test: float, pca: float | None = 0.01) -> dict[str, object]:
    return {
        "epoch": epoch,
        "step": epoch * 10,
        "train_mse": None if not epoch else test,
        "test_mse": test,
        "pca_mse": pca,
    }


def test_the_curve_has_a_place_for_every_figure():
    history = (entry(0, 0.1), entry(1, 0.01), entry(2, 0.001))
    drawn = curve(history, 4, 20)
    points = [tuple(map(float, at)) for at in re.findall(r'class="dot test seen" d="M([\d.]+) ([\d.]+)h0"', drawn)]
    assert [x for x, _ in points] == [0, 250, 500]
    assert points[1][1] - points[0][1] == pytest.approx(points[2][1] - points[1][1], abs=0.2)
    assert "epoch 1: test 0.01000" in drawn and drawn.count('class="ring') == 1
    assert 'class="line pca"' in drawn and "PCA 0.01000" in drawn


@pytest.mark.parametrize("figures", [(0.0, 0.0), (1e-12, 1.0), (0.004, 0.004), (0.2, 1e-7)])
def test_any_figures_make_a_curve(figures):
    for floor in (None, 0.0, 0.01):
        history = tuple(entry(i, figure, floor) for i, figure in enumerate(figures))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert "nan" not in curve(history, 1, None)


@pytest.mark.parametrize(("low", "high"), [(0.0033, 0.0049), (0.001, 0.1), (1e-9, 1.0), (0.00101, 0.00102)])
def test_ticks_are_few_and_round(low, high):
    ticks = _ticks(Axes(1, low, high))
    assert 2 <= len(ticks) <= 9 and all(low <= tick <= high for tick in ticks)
    assert all(len(f"{tick:e}".partition("e")[0].replace(".", "").rstrip("0")) <= 4 for tick in ticks)
