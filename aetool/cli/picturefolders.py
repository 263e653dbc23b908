"""Pictures into a folder/, as they come: none over a file that is read, all flushed to the disk at the end."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from aetool.cli.sinks import Target

if TYPE_CHECKING:
    from aetool.arrays import Latents
    from aetool.cli.display import Tiles
    from aetool.images.folder import PictureWriter
    from aetool.images.provenance import Provenance
    from aetool.runtime.codec import Codec

Place = Callable[[str], str]
"""Names of pictures to the paths of their files."""


def write_folder(tiles: Iterable[Tiles], target: Target, made: Provenance | None) -> int:
    """Write one native-size PNG a picture, sub-folders kept; returns how many."""
    count, rest = 0, iter(tiles)
    first = next(rest, None)  # before the folder is made: nothing is, where nothing can be used
    with _open_folder(target, made) as (place, write):
        for part in itertools.chain([first] if first else [], rest):
            write(part.pixels, [place(name) for name in part.names])
            count += len(part.names)
    return count


def decode_to_folder(
    latents: Iterable[tuple[Latents, tuple[str, ...]]],
    codec: Codec,
    target: Target,
    made: Provenance | None,
    cores: int | None,
) -> int:
    """Decode latents and write one native-size PNG each, on at most `cores` cores (None: all); returns how many."""
    from aetool.runtime.parallel import decode_to

    with _open_folder(target, made) as (place, write):
        return decode_to(write, latents, place, codec, cores)


@contextlib.contextmanager
def _open_folder(target: Target, made: Provenance | None) -> Iterator[tuple[Place, PictureWriter]]:
    from aetool.images.folder import picture_folder
    from aetool.images.provenance import png_text
    from aetool.system.atomic import flushing

    assert target.path is not None
    with flushing(target.path), picture_folder(target.path, png_text(made)) as (places, write):

        def place(name: str) -> str:
            path = places(name)
            if not write.alone:
                target.inputs.refuse(path, one_of_many=True)
            return path

        yield place, write
