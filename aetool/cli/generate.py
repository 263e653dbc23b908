"""What commands that make latents have in common: the seed, and latents or their pictures on the way out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aetool.cli.display import Look, provenance, write_decoded
from aetool.cli.report import Talk
from aetool.cli.sinks import Target, write_records

if TYPE_CHECKING:
    from aetool.arrays import Latents
    from aetool.latents.files import LatentBatch
    from aetool.runtime.codec import Codec


@dataclass(frozen=True, eq=False)
class Made:
    """Latents (n, k) that a command made, what each is called, and its class."""

    latents: Latents
    names: tuple[str, ...]
    classes: tuple[str | None, ...]


def fresh_seed(seed: int | None, talk: Talk) -> int:
    """Return the seed given, or a new one, told on stderr."""
    if seed is None:
        import secrets

        seed = secrets.randbelow(2**32)
        talk.note(f"seed {seed}")
    return seed


def write_made(
    parts: Iterable[Made],
    codec: Codec,
    target: Target,
    look: Look,
    talk: Talk,
    seed: int | None = None,
    cores: int | None = 1,
) -> None:
    """Write what is made as latents, or decode it and write pictures, as `target` says.

    `seed` is what it hangs on; `cores` how many decoding into a folder may take, None for all.
    """
    if target.kind == "latents":
        write_records(_records(parts, codec), target, codec.bundle.manifest.latent_size)
        return
    latents = ((made.latents, made.names) for made in parts)
    write_decoded(latents, codec, target, look, provenance(codec.bundle, seed), talk, cores)


def _records(parts: Iterable[Made], codec: Codec) -> Iterator[LatentBatch]:
    from aetool.latents.files import LatentBatch

    for made in parts:
        yield LatentBatch(made.latents, made.names, made.classes, codec.bundle.identity)
