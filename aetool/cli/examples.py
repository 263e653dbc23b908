"""An example of each command, for help and the manual page; a test runs them, in this order and in one folder."""

from __future__ import annotations

EXAMPLES = {
    "train": "aetool train photos/",
    "export": "aetool export runs/photos",
    "import": "aetool import encoder.onnx decoder.onnx --data photos/ -o models/mine",
    "encode": "aetool encode photos/ -o latents.jsonl",
    "decode": "aetool decode latents.jsonl -o again.png",
    "reconstruct": "aetool reconstruct photos/ -o again/",
    "interpolate": "aetool interpolate photos/cats/tom.jpg photos/dogs/rex.jpg -o walk.gif",
    "sample": "aetool sample -m mnist --digit 8 -o eights.png",
    "combine": "aetool combine photos/cats/tom.jpg class:dogs -o between.png",
    "perturb": "aetool perturb photos/cats/tom.jpg --sigma 0.3 -n 12 -o variations.png",
    "search": "aetool search photos/cats/tom.jpg -n 5 -o found.png",
    "score": "aetool score photos/ -o maps/",
    "explore": "aetool explore photos/ -o page.html",
    "evaluate": "aetool evaluate photos --data photos/",
    "bench": "aetool bench mnist",
    "info": "aetool info mnist",
    "verify": "aetool verify mnist",
    "devices": "aetool devices",
    "explain": "aetool explain eights.png",
}
"""A command line for each command; photos/ is a folder of pictures with the sub-folders cats and dogs."""
