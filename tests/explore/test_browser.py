"""The page at work in Chromium: it asks for nothing, and shows what the commands make."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from aetool import load as aetool_load
from aetool.explore import make, rows
from aetool.explore.runtime import Runtime
from aetool.training.mapping import mapped
from tests.explore.browser import PROGRAMS, SIDES, Browser, Page, browsing, program
from tests.explore.kinds import write_kind
from tests.explore.test_page import EVIL
from tests.images.test_scaled import jpeg, photo

DIGITS, HANDS = "mnist", "sign_digits"


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Browser]:
    """One Chromium for all tests; without it they skip loudly."""
    path = program()
    if path is None:
        pytest.skip(f"CHROMIUM MISSING: install one of {', '.join(PROGRAMS)} to test the page in a browser")
    with browsing(path) as found:
        yield found


Opening = Callable[..., Any]


@pytest.fixture(scope="module")
def opened(browser: Browser, published: Runtime, tmp_path_factory) -> Opening:
    """Open the page of a model, and wait until it is ready: with opened("mnist") as page."""
    place, pages = tmp_path_factory.mktemp("pages"), {}

    @contextmanager
    def opening(name: str | Path, bank: bool = True) -> Iterator[Page]:
        if (name, bank) not in pages:
            pages[name, bank] = place / f"{len(pages)}.html"
            settings = make.Settings(str(name), bank, mapped)
            pages[name, bank].write_bytes(make.page_of(aetool_load(name), published, settings))
        page = Page(browser)
        try:
            page.open(pages[name, bank])
            page.run("aetool.ready")
            yield page
            assert page.complaints() == []
            assert page.requests() == [pages[name, bank].as_uri()]
        finally:
            page.close()

    return opening


@pytest.fixture(scope="module")
def digits_page(opened: Opening) -> Iterator[Page]:
    with opened(DIGITS) as page:
        yield page


def until(page: Page, condition: str) -> None:
    """Wait until an expression is true."""
    end = time.monotonic() + 30
    while not page.run(f"Boolean({condition})"):
        assert time.monotonic() < end, f"never: {condition}"
        time.sleep(0.05)


def levels(page: Page, code: str) -> np.ndarray:
    """Return the bytes of an expression of a Uint8Array."""
    listed = page.run(f"Promise.resolve({code}).then((found) => btoa(String.fromCharCode(...found)))")
    return np.frombuffer(base64.b64decode(listed), np.uint8)


READ = """(selector) => {
  const from = document.querySelector(selector), canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [from.width, from.height];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(from, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}"""
"""A function of JavaScript: the pixels of a canvas, read without a complaint of the browser about reading."""


def drawn(page: Page, selector: str) -> np.ndarray:
    """Return the levels (h, w, 4) of a canvas."""
    shape = page.run(f"(({{ height, width }}) => [height, width, 4])(({READ})({selector!r}))")
    return levels(page, f"({READ})({selector!r}).data").reshape(shape).astype(int)


def made_by(shell, line: str) -> np.ndarray:
    """Return the pictures (n, h, w, c) that a command of the page makes."""
    before, _, after = line.rpartition(" -o ")
    latents = f"{before} -q -o out.jsonl{after.removeprefix(after.split()[0])}"
    done = shell(f"{latents} && aetool decode -q out.jsonl -o out.npy")
    assert done.returncode == 0, done.stderr.decode()
    return np.load("out.npy").transpose(0, 2, 3, 1).astype(int)


def assert_same(page: Page, selector: str, expected: np.ndarray) -> None:
    """Assert that a canvas shows a picture (h, w, 3), within a level."""
    assert abs(drawn(page, selector)[..., :3] - expected).max() <= 1


def field(page: Page, name: str) -> str:
    """Return the value of a field of the page."""
    return str(page.run(f"document.getElementById({name!r}).value"))


def test_a_map_is_drawn_and_nothing_is_asked_for(digits_page):
    colours = f"new Set(new Uint32Array(({READ})('#dots').data.buffer)).size"
    assert digits_page.run(colours) >= 11  # of ten classes, and of none
    assert digits_page.run("document.title").startswith(DIGITS)
    assert len(digits_page.requests()) == 1


@pytest.mark.parametrize(("across", "down"), [(0.35, 0.4), (0.5, 0.5), (0.62, 0.33), (0.45, 0.75)])
def test_what_is_under_the_pointer_is_what_its_command_makes(across, down, digits_page, shell):
    page, before = digits_page, field(digits_page, "seen-command")
    left, top, width, height = place(page, "#map")
    page.move(left + across * width, top + down * height)
    until(page, f"document.getElementById('seen-command').value !== {before!r}")
    page.run("aetool.decode(aetool.latentOf(aetool.space, 0))")  # behind which the picture is there
    assert_same(page, "#seen", made_by(shell, field(page, "seen-command"))[0])


def place(page: Page, selector: str) -> list[float]:
    """Return left, top, width and height of an element."""
    box = f"document.querySelector({selector!r}).getBoundingClientRect()"
    return list(page.run(f"(({{ x, y, width, height }}) => [x, y, width, height])({box})"))


def view(page: Page, name: str, **settings: Any) -> str:
    """Open a view with settings, wait for its pictures, and return its command."""
    for key, value in settings.items():
        page.run(f"aetool.views.find((one) => one.id === {name!r}).{key}.value = {json.dumps(value)}")
    page.run(f"aetool.openView({name!r})")
    until(page, "document.getElementById('view').getAttribute('aria-busy') === 'false'")
    return field(page, "command")


def assert_tiles(page: Page, expected: np.ndarray) -> None:
    """Assert that the pictures of the open view are these, within a level."""
    page.run("document.querySelectorAll('#tiles canvas').forEach((canvas, i) => { canvas.id = `tile-${i}`; })")
    assert page.run("document.querySelectorAll('#tiles canvas').length") == len(expected)
    for i, one in enumerate(expected):
        assert_same(page, f"#tile-{i}", one)


@pytest.fixture
def pinned(digits_page) -> Iterator[Page]:
    """The page with three pins: two rows, and the mean of a class."""
    digits_page.run("for (const row of [5, 12345]) aetool.addPin(aetool.pinOfRow(aetool.space, row))")
    digits_page.run("aetool.addPin(aetool.pinOfMean(aetool.space, 3))")
    yield digits_page
    digits_page.run("aetool.clearPins()")


@pytest.mark.parametrize(("way", "even"), [("lerp", False), ("slerp", False), ("graph", False), ("lerp", True)])
def test_a_path_is_that_of_its_command(way, even, pinned, shell):
    line = view(pinned, "path", way=way, even=even, steps=6)
    assert line.startswith("aetool interpolate bank:5 bank:12345 class:3 ") and ("--even" in line) == even
    assert_tiles(pinned, made_by(shell, line))


def test_samples_noise_and_sums_are_those_of_their_commands(pinned, shell):
    for name, settings in (
        ("sample", {"label": "8", "count": 5, "seed": 3}),
        ("sample", {"label": "", "count": 4, "seed": 1}),
        ("noise", {"count": 3, "seed": 2}),
    ):
        assert_tiles(pinned, made_by(shell, view(pinned, name, **settings)))
    total = made_by(shell, view(pinned, "combine", weights="1,-0.5,0.5"))
    pinned.run("document.querySelectorAll('#tiles canvas')[3].id = 'total'")
    assert_same(pinned, "#total", total[0])


def test_saved_latents_are_taken_by_decode(pinned, aetool):
    text = pinned.run("aetool.records(aetool.pins())")
    done = aetool("decode", "-", "-o", "pins.npy", stdin=text.encode())
    assert done.returncode == 0, done.stderr
    assert np.load("pins.npy").shape == (3, 1, 28, 28) and b"model mnist, named by the latents" in done.stderr


def photos(place: Path) -> list[Path]:
    """Return files of pictures of several kinds."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (90, 70, 3), np.uint8)
    Image.fromarray(noise).save(place / "colour.png")
    Image.fromarray(noise[..., 0]).save(place / "grey.png")
    Image.fromarray(noise).quantize(16).save(place / "few.gif")
    (place / "photo.jpg").write_bytes(jpeg(photo(640, 480)))
    (place / "later.jpg").write_bytes(jpeg(photo(500, 777), 3, progressive=True))
    (place / "turned.jpg").write_bytes(jpeg(photo(300, 200), 6))
    return sorted(place.iterdir())


@pytest.mark.parametrize("name", [DIGITS, HANDS])
def test_a_dropped_picture_has_the_latent_of_the_command(name, opened, tmp_path):
    model = aetool_load(name)
    spread = float(np.sqrt(np.trace(model.bundle.bank().covariance(None)) / model.bundle.manifest.latent_size))
    with opened(name) as page:
        for number, path in enumerate(photos(tmp_path)):
            drop(page, path)
            until(page, f"aetool.pins().length === {number + 1} && document.querySelector('.score dd')")
            apart = abs(np.array(page.run("Array.from(aetool.pins().at(-1).latent)")) - model.encode([path])[0]).max()
            assert apart <= 1e-3 * spread, path
            score = model.score([path])[0]
            until(page, f"Math.abs({FIGURES}[1] / {score.mse} - 1) < 0.02")
            assert page.run(FIGURES)[0] == pytest.approx(score.percentile, abs=0.2)


FIGURES = "[...document.querySelectorAll('.score dd')].map((one) => Number(one.textContent))"
"""Percentile, mse and distance of the picture of the reader, as the page says them."""
DROP = """(text, name) => {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0)), dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name));
  for (const kind of ["dragenter", "dragover", "drop"]) {
    document.body.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
  }
}"""
"""A function of JavaScript: drop a file on the page, as a mouse does."""


def drop(page: Page, path: Path) -> None:
    page.run(f"({DROP})({base64.b64encode(path.read_bytes()).decode()!r}, {path.name!r})")


def test_names_of_classes_are_shown_as_they_are(opened, browser, tmp_path):
    with opened(write_kind(tmp_path / "evil", 5, 3, EVIL, n=90)) as page:
        shown = page.run("document.getElementById('legend').textContent")
        assert all(name in shown for name in EVIL)
        assert not [event for event in browser.events if event["method"] == "Page.javascriptDialogOpening"]


@pytest.mark.parametrize(
    ("k", "channels", "classes", "bank"),
    [(2, 1, 0, True), (192, 3, 200, True), (4, 1, 3, False)],
)
def test_models_of_every_kind_are_shown(k, channels, classes, bank, opened, tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "DRAWN", 200)
    path = write_kind(tmp_path / "kind", k, channels, [f"class {i}" for i in range(classes)], n=max(60, 2 * classes))
    with opened(path, bank) as page:
        assert page.run("aetool.space.count") == (max(60, 2 * classes) if bank else classes * (200 // classes))
        page.run("aetool.addPin(aetool.pinOfRow(aetool.space, 0)); aetool.addPin(aetool.pinOfRow(aetool.space, 1))")
        for one in page.run("aetool.views.map((view) => view.id)"):
            view(page, one)
        latent = page.run("Array.from(aetool.latentOf(aetool.space, 3))")
        found = levels(page, "aetool.decode(aetool.latentOf(aetool.space, 3))")
        expected = aetool_load(path).decode(np.array([latent], np.float32)).pixels
        assert abs(found.astype(int) - expected.ravel()).max() <= 1


def test_a_model_without_images_says_so(opened, tmp_path):
    with opened(write_kind(tmp_path / "none", 4, n=0)) as page:
        assert page.run("aetool.space.count") == 0


def test_a_small_window_has_no_sideways_scroll(digits_page):
    digits_page.resize(400, 800)
    assert digits_page.run("document.documentElement.scrollWidth") <= 400
    digits_page.resize(*SIDES)


@pytest.mark.parametrize("dark", [True, False])
def test_the_page_is_as_light_as_the_desktop(dark, digits_page):
    digits_page.darken(dark)
    colour = digits_page.run("getComputedStyle(document.body).backgroundColor")
    assert (max(map(int, re.findall(r"\d+", colour)[:3])) < 100) == dark


def test_the_keyboard_reaches_the_map_and_pins(digits_page):
    page = digits_page
    page.run("aetool.clearPins(); document.getElementById('map').focus()")
    for key in ("ArrowRight", "ArrowDown", "Enter", "ArrowLeft", "ArrowLeft", "Enter"):
        page.press(key)
    assert page.run("aetool.pins().length") == 2
    page.run("aetool.clearPins()")


TEXTS = """(one) => one.ariaLabel || one.ariaHidden === "true" || one.title || one.textContent.trim() ||
  one.labels?.length"""


def test_every_picture_and_button_has_a_text(digits_page):
    listed = "[...document.querySelectorAll('button, canvas, input, select, img')]"
    shown = f"{listed}.filter((one) => !one.closest('[hidden]') && !({TEXTS})(one))"
    assert digits_page.run(f"{shown}.map((one) => one.outerHTML)") == []
