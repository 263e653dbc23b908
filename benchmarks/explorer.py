"""The pages of the shipped models, the picture of one in README.md, and what they take in Chromium.

python benchmarks/explorer.py            pages/mnist.html, pages/sign_digits.html and docs/pictures/explorer.png
python benchmarks/explorer.py measure    size, start, a decode and a frame, to results/explorer.json and README.md here
"""

from __future__ import annotations

import io
import json
import platform
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

from PIL import Image

HERE = Path(__file__).parent
REPOSITORY = HERE.parent
sys.path.insert(0, str(REPOSITORY))

from aetool import __version__  # noqa: E402
from aetool.bundle.bundle import Bundle  # noqa: E402
from aetool.bundle.lookup import SHIPPED, shipped_path  # noqa: E402
from aetool.images.provenance import Provenance, png_info  # noqa: E402
from tests.explore.browser import SIDES, Page, browsing, program  # noqa: E402

PICTURE = REPOSITORY / "docs/pictures/explorer.png"
COMMAND = "aetool explore -m mnist -o mnist.html"
RESULTS = HERE / "results/explorer.json"
TURNS = 60
SHOWN = """(async () => {
  const { space, map } = aetool;
  for (const label of [3, 8, 0]) aetool.addPin(aetool.pinOfMean(space, label));
  const path = aetool.views.find((view) => view.id === "path");
  [path.way.value, path.steps.value] = ["graph", 7];
  aetool.openView("path");
  const stage = document.getElementById("map").getBoundingClientRect();
  const [x, y] = map.toScreen(space.positions[2 * 25], space.positions[2 * 25 + 1]);
  await new Promise((done) => setTimeout(done, 3000));
  return [stage.x + x, stage.y + y];
})()"""
"""What the picture shows: a path between three classes."""
FRAMES = """(async (turns) => {
  const canvas = document.getElementById("dots"), context = canvas.getContext("2d");
  const taken = { points: [], empty: [] };
  const done = () => context.getImageData(0, 0, 1, 1); // the drawing is complete then
  const clear = () => context.clearRect(0, 0, canvas.width, canvas.height);
  const draw = { points: () => aetool.map.drawNow(), empty: clear };
  for (let turn = -5; turn < turns; turn++) {
    for (const name of ["points", "empty"]) {
      const began = performance.now();
      draw[name]();
      done();
      if (turn >= 0) taken[name].push(performance.now() - began);
    }
    await new Promise((next) => setTimeout(next));
  }
  return taken;
})"""
"""Milliseconds of a frame with all points, and of one with none, in turns."""
DECODES = """(async (turns) => {
  const taken = [];
  for (let turn = 0; turn < turns; turn++) {
    const latent = aetool.latentOf(aetool.space, turn), began = performance.now();
    await aetool.decode(latent);
    taken.push(performance.now() - began);
  }
  return taken;
})"""
START = "aetool.ready.then(() => performance.now())"


def make_pages() -> dict[str, Path]:
    """Make the page of each shipped model, and return their paths."""
    folder = REPOSITORY / "pages"
    folder.mkdir(exist_ok=True)
    pages = {name: folder / f"{name}.html" for name in SHIPPED}
    for name, path in pages.items():
        words = [sys.executable, "-m", "aetool", "explore", "-m", name, "-o", str(path), "-q"]
        subprocess.run(words, cwd=REPOSITORY, check=True)
        print(path.relative_to(REPOSITORY), f"{path.stat().st_size / 1e6:.2f} MB")
    return pages


def draw(page: Page) -> None:
    """Write the picture of a page with a path."""
    page.move(*page.run(SHOWN))
    page.run("new Promise((done) => setTimeout(done, 1000))")
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    model = f"mnist {Bundle.read(shipped_path('mnist')).identity}"
    image.save(PICTURE, pnginfo=png_info(Provenance(f"aetool {__version__}", model, COMMAND)), optimize=True)
    print(PICTURE.relative_to(REPOSITORY), f"{PICTURE.stat().st_size / 1e3:.0f} KB, {SIDES}")


def measure(page: Page, path: Path) -> dict[str, Any]:
    """Return bytes of a page and milliseconds in Chromium."""
    found = {"bytes": path.stat().st_size, "points": page.run("aetool.space.points"), "start": page.run(START)}
    return found | {"decode": page.run(f"{DECODES}({TURNS})"), "frames": page.run(f"{FRAMES}({TURNS})")}


def table(results: dict[str, Any]) -> str:
    """Return the table of results for README.md."""
    columns = ("page", "MB", "latents", "a decode", "a frame with all points", "with none", "more, bar: 16 ms")
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    for name, row in results["pages"].items():
        points, empty = row["frames"]["points"], row["frames"]["empty"]
        times = [row["decode"], points, empty, [a - b for a, b in zip(points, empty, strict=True)]]
        figures = [f"{median(one):.1f} ms" for one in times]
        cells = [f"`{name}`", f"{row['bytes'] / 1e6:.2f}", f"{row['points']:,}", *figures]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", f"{results['browser']}, {results['machine']}, medians of {TURNS} turns.", ""])


def main(measuring: bool) -> None:
    pages, path = make_pages(), program()
    if path is None:
        sys.exit("Chromium is not installed, which the picture and the measurements need")
    bundle = Bundle.read(shipped_path("mnist"))
    results: dict[str, Any] = {
        "model": f"mnist {bundle.identity}",
        "machine": f"{platform.system()} {platform.machine()}",
        "pages": {},
    }
    with browsing(path) as browser:
        results["browser"] = browser.call("Browser.getVersion")["product"]
        for name, file in pages.items():
            page = Page(browser)
            page.open(file)
            page.run("aetool.ready")
            if measuring:
                results["pages"][name] = measure(page, file)
            elif name == "mnist":
                draw(page)
            page.close()
    if measuring:
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        text = (HERE / "README.md").read_text()
        before, mark, rest = text.partition("<!-- explorer.py writes this -->\n")
        after = rest[rest.index("<!-- explorer.py to here -->") :]
        (HERE / "README.md").write_text(before + mark + table(results) + after)


if __name__ == "__main__":
    main("measure" in sys.argv[1:])
