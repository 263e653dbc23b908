"""Fixes: the next step for each error of the library, in the words of the command line."""

from __future__ import annotations

from aetool.errors import AetoolError

WITHOUT_RUNTIME = "or use --device numpy, which is slower (export cannot)"

FIXES = {
    "pixels": "--max-pixels allows more",
    "frames": "--max-frames allows more, or write to a folder/",
    "bytes": "--max-bytes allows more",
    "layout": "say which with --layout",
    "images": "aetool encode makes latents of images",
    "show": "choose one or three with --show, as --show 1,2,3; decode and reconstruct also write arrays: -o x.npz",
    "latents": "aetool decode makes pictures of latents",
    "folder": "write to a folder/ instead",
    "jpeg": "write .png, or to a folder/",
    "git-lfs": "fetch it with: git lfs pull",
    "git-annex": "fetch it with: git annex get",
    "null": "-0 reads names that end with NUL",
    "old-bundle": "export it again",
    "workers": "--threads 1 works without workers",
    "other-model": "name theirs with -m",
    "no-metadata": "aetool's own do, unless made with --no-metadata or saved from Python",
    "no-classes": "leave --class and --digit out",
    "no-each": "leave --each out",
    "data": "say where that is with --data",
    "no-quantiles": "export it where the images of its run are",
    "no-rows-graph": "export it without --no-bank, or use another --method",
    "no-rows-key": "export it without --no-bank, or take an image or class:NAME",
    "no-rows-search": "search a file with --in, or export it without --no-bank",
    "no-mixture": "--method neighbours needs none",
    "gmm": "--method gmm needs none",
    "gaussian": "--method gaussian needs none",
    "no-direction": "use --metric euclidean",
    "tiff": "install it with: pip install 'aetool[tiff]'",
    "heif": "install it with: pip install 'aetool[heif]'",
    "devices": "see: aetool devices",
    "no-runtime": f"install it with: pip install onnxruntime; {WITHOUT_RUNTIME}",
    "bad-runtime": f"install it again with: pip install --force-reinstall onnxruntime; {WITHOUT_RUNTIME}",
    "no-device": "leave --device out, or use --device cpu",
    "diverged": "try a lower --lr",
    "torchrun": "start with torchrun, which sets all of these, or unset RANK and WORLD_SIZE",
    "shares": "start fewer processes, or give a larger --batch-size",
    "shared-device": "start fewer processes, or use --device cpu",
    "same-folders": "give all machines the same images and ./runs, as by a shared file system",
    "changed": "begin again; training goes on with: aetool train --resume",
    "unfinished": "go on with: aetool train --resume RUN",
    "run-exists": "choose another --name, or see: aetool info --runs",
    "start": "leave that option out, or --start",
    "start-bundle": "name the run that it was exported from",
    "more-epochs": "or go on with: aetool train --more-epochs N RUN",
    "run-place": "say with --data where that is now",
    "run-data": "say with --data where they are now, or use export --no-bank",
    "no-run": "start one with: aetool train",
    "prepared": "leave --channels, --size and --background out",
    "no-layout": "leave --layout out",
    "not-searched": "leave --data-dir out",
    "data-dir": "or put the files into DIR/NAME/ and pass --data-dir DIR",
    "bundle-exists": "choose another -o, or replace it with --force",
    "another-output": "choose another -o",
    "float32": "leave --weights out, which keeps them in float32",
    "verify": "see: aetool verify",
    "witness": "leave --device numpy or --witness out",
    "spatial": "put a Flatten behind the encoder and a Reshape before the decoder, and export both again",
    "flat": "say the sides by data of that size: a data set with a name, or an array",
}
"""Next steps by `AetoolError.fix`."""


def told(error: AetoolError) -> str:
    """Return the message of an error with its next step."""
    return f"{error}; {FIXES[error.fix]}" if error.fix else str(error)
