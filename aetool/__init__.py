"""aetool: train small image autoencoders, and make new images from their latents.

The Python API is `Bundle` (an exported model) and `Codec` (a bundle at work):

    from aetool import Bundle, Codec

    codec = Codec(Bundle.find("mnist"))
    latents = codec.encode(images)      # float32 (n, c, h, w) in [0, 1] -> float32 (n, k)
    images = codec.decode(latents)

Both are imported on first use, so that `import aetool` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aetool.bundle.bundle import Bundle as Bundle
    from aetool.runtime.codec import Codec as Codec

__version__ = "0.1.0"
__all__ = ["Bundle", "Codec", "__version__"]


def __getattr__(name: str) -> object:
    if name == "Bundle":
        from aetool.bundle.bundle import Bundle

        return Bundle
    if name == "Codec":
        from aetool.runtime.codec import Codec

        return Codec
    raise AttributeError(f"module 'aetool' has no attribute {name!r}")
