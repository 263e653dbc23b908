"""Provenance: how a picture was made, in its text fields."""

from __future__ import annotations

import json
import textwrap
from dataclasses import asdict, dataclass, replace

from PIL import Image, PngImagePlugin

from aetool.errors import InvalidInput
from aetool.images.decode import open_image
from aetool.images.png import text_chunks
from aetool.images.sheet import OPTIONAL, Grid

EXIF_DESCRIPTION = 0x010E
EXIF_SOFTWARE = 0x0131


@dataclass(frozen=True)
class Provenance:
    """The provenance of a picture: software, model, command (file names without folders), seed, and grid of a sheet."""

    software: str
    model: str
    command: str
    seed: int | None = None
    grid: Grid | None = None


def description(provenance: Provenance | None) -> str:
    """Return the provenance as JSON, and an empty text for none."""
    if provenance is None:
        return ""
    fields = {k: v for k, v in asdict(provenance).items() if v is not None}
    if provenance.grid is not None:
        fields["grid"] = {k: v for k, v in fields["grid"].items() if v or k not in OPTIONAL}
    return json.dumps(fields, sort_keys=True)


def _shortened(provenance: Provenance) -> Provenance:
    """Return the provenance with a command short enough for EXIF, of which a JPEG holds 64 KB."""
    return replace(provenance, command=textwrap.shorten(provenance.command, 8000, placeholder=" …"))


def png_text(provenance: Provenance | None) -> bytes:
    """Return the provenance of a PNG file as chunks for `png_files`."""
    return text_chunks(provenance.software, description(provenance)) if provenance else b""


def png_info(provenance: Provenance | None) -> PngImagePlugin.PngInfo | None:
    """Return the text fields with which Pillow writes a PNG file."""
    if provenance is None:
        return None
    text = PngImagePlugin.PngInfo()
    text.add_text("Software", provenance.software)
    text.add_itxt("aetool", description(provenance))
    return text


def exif_bytes(provenance: Provenance | None) -> bytes:
    """Return the provenance as EXIF data, for JPEG and WebP files."""
    if provenance is None:
        return b""
    exif = Image.Exif()
    exif[EXIF_SOFTWARE] = provenance.software
    exif[EXIF_DESCRIPTION] = description(_shortened(provenance))
    return exif.tobytes()


def read_provenance(data: bytes) -> dict[str, object]:
    """Return the provenance in the picture `data`; raises `InvalidInput` for a picture without provenance."""
    image = open_image(data)
    try:
        image.load()
        said = said_by(image)
    except Exception as error:
        raise InvalidInput("the image is damaged") from error
    if said is None:
        raise InvalidInput("this picture does not say how it was made", fix="no-metadata")
    return said


def said_by(image: Image.Image) -> dict[str, object] | None:
    """Return the provenance in the metadata of a picture, None without; raises the errors of Pillow."""
    texts = (image.info.get("aetool"), image.info.get("comment"), image.getexif().get(EXIF_DESCRIPTION))
    for text in texts:
        try:
            said = json.loads(text or "")
        except (ValueError, TypeError):
            continue
        if isinstance(said, dict) and {"software", "model", "command"} <= said.keys():
            return said
    return None
