"""What tests of the engine share: pictures of many kinds, rows in Parquet, and what plain `aetool encode` gives."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.toy import toy_image


def make_pictures(folder: Path) -> None:
    """Make a folder with two classes: pictures of 8 and 16 bits, odd names, a sheet, and a file that is none."""
    for name in ("dark", "light"):
        (folder / name).mkdir(parents=True)
        for i in range(3):
            toy_image(i, 20 * i, 30, 250).save(folder / name / f"{i}.png")
    for i in range(3):  # their white is a guess from all of the folder
        deep = np.random.default_rng(i).integers(0, 4000 >> i, (8, 8)).astype(np.uint16)
        Image.fromarray(deep).save(folder / "light" / f"deep {i}#%41?[{i}].png")
    shutil.copy(folder / "dark/0.png", folder / "dark/\u00fc\n.png")
    (folder / "dark/broken.png").write_bytes(b"no picture")
    (folder / "dark/notes.txt").write_text("no picture")


def rows_in(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of all Parquet files in a folder."""
    import pyarrow.parquet as pq

    return [row for path in sorted(folder.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def schema_of(folder: Path) -> dict[str, str]:
    """Return the columns of the first Parquet file in a folder with their types."""
    import pyarrow.parquet as pq

    return {one.name: str(one.type) for one in pq.read_schema(next(folder.glob("*.parquet")))}


def expected(path: Path) -> dict[str, tuple[bytes, str | None]]:
    """Return latent and class by source from an .npz that `aetool encode` wrote."""
    with np.load(path) as found:
        latents, sources, classes = (found[name] for name in ("latents", "sources", "classes"))
    return {str(s): (z.tobytes(), str(c) or None) for z, s, c in zip(latents, sources, classes, strict=True)}


def found_in(rows: list[dict[str, Any]]) -> dict[str, tuple[bytes, str | None]]:
    """Return latent and class by path of the rows with a latent; no path may come twice."""
    assert all(np.isnan(row["latent"]).all() for row in rows if row["error"] is not None)
    good = [row for row in rows if row["error"] is None]
    found = {row["path"]: (np.array(row["latent"], np.float32).tobytes(), row["class"]) for row in good}
    assert len(found) == len(good)
    return found
