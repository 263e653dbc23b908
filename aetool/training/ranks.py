"""Ranks: the processes of one training, as torchrun starts them; a process that was started alone is the only one.

Every rank computes the gradient of its share of each batch, and all change the same weights by the sum. Rank 0 leads:
it prepares, measures, writes and speaks, and the others follow. Between ranks go tensors and JSON, never pickles.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

from aetool.errors import ProcessEnded, ReadWriteError, UsageError, printable
from aetool.system.quiet import quiet_libraries
from aetool.training.device import torch_device

if TYPE_CHECKING:
    import torch
    from torch import Tensor

JOIN = timedelta(minutes=5)
"""Time in which all processes must have started."""
WAIT = timedelta(days=1)
"""Time that a rank waits for another, which may be reading a large folder for the first time."""
GRACE = timedelta(seconds=1)
"""Time in which rank 0 learns that another rank ended, and the others that rank 0 says so."""
NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""Variables of the environment that torchrun sets for each process."""
SAID = "said"
"""Key of the store that counts the ranks that wanted to say why the training ended: the first one does."""


@dataclass(frozen=True)
class Share:
    """The part of a batch that a rank computes: which of the `images` of the batch, as a slice."""

    images: int
    rows: slice

    @property
    def weight(self) -> float:
        """The part as a share of 1."""
        return float((self.rows.stop - self.rows.start) / self.images)


@dataclass(frozen=True)
class Ranks:
    """A rank among the processes of a training: its number from 0, their number, and its number on its machine."""

    rank: int = 0
    world: int = 1
    local: int = 0

    @property
    def alone(self) -> bool:
        """Whether there is no other process."""
        return self.world == 1

    @property
    def leads(self) -> bool:
        """Whether this rank prepares, measures, writes and speaks."""
        return self.rank == 0

    def share(self, images: int) -> Share:
        """Return the share of this rank of a batch, equal to those of the others up to one image.

        Raises `UsageError` for fewer images than processes.
        """
        if images < self.world:
            raise UsageError(f"{images} images a step cannot be shared by {self.world} processes", fix="shares")
        return Share(images, slice(images * self.rank // self.world, images * (self.rank + 1) // self.world))

    def device(self, name: str) -> torch.device:
        """Return the device of this rank: of several processes on a machine each has a GPU of its own.

        Raises `DeviceUnavailable`, and `UsageError` for a device that processes cannot share.
        """
        found = torch_device(name)
        if self.alone or found.type == "cpu":
            return found
        import torch

        if found.type != "cuda":
            raise UsageError(f"{found.type} is a device for one process, not for {self.world}", fix="shared-device")
        if self.local >= (count := torch.cuda.device_count()):
            fact = f"at least {self.local + 1} processes train on this machine, which has {count} CUDA devices"
            raise UsageError(fact, fix="shared-device")
        torch.cuda.set_device(self.local)
        return found

    def told(self, value: Any) -> Any:
        """Return the value of rank 0, anything that JSON has; the others wait for it, as long as it takes."""
        if self.alone:
            return value
        import torch

        data = torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8)
        size = torch.tensor([len(data)])
        _patiently(lambda: self._from_first(size))
        if not self.leads:
            data = torch.empty(int(size), dtype=torch.uint8)
        self._from_first(data)
        return json.loads(bytes(data.numpy()))

    def meet(self) -> None:
        """Wait until all ranks are here."""
        if not self.alone:
            import torch

            _patiently(lambda: self.total(torch.zeros(1)))

    def spread(self, tensors: Iterable[Tensor]) -> None:
        """Give all ranks the values that the tensors have at rank 0."""
        for tensor in () if self.alone else tensors:
            values = tensor.detach().contiguous()
            self._from_first(values)
            tensor.detach().copy_(values)

    def sum(self, tensors: list[Tensor]) -> None:
        """Put the sum over all ranks in the place of each of the tensors, all of one type, by one exchange."""
        import torch

        whole = torch.cat([tensor.flatten() for tensor in tensors])
        self.total(whole)
        parts = torch.split(whole, [tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view(tensor.shape))

    def total(self, tensor: Tensor) -> Tensor:
        """Put the sum over all ranks in the place of a contiguous tensor, and return it."""
        import torch.distributed as dist

        with self._together():
            dist.all_reduce(tensor)
        return tensor

    def _from_first(self, tensor: Tensor) -> None:
        import torch.distributed as dist

        with self._together():
            dist.broadcast(tensor, 0)

    @contextlib.contextmanager
    def _together(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            raise ProcessEnded(f"another of the {self.world} processes of this training ended") from error


ALONE = Ranks()


@contextlib.contextmanager
def joined() -> Iterator[Ranks]:
    """Give the rank of this process, once all have met; why a training ends is said by the first rank that knows.

    The error of that rank passes, with its number; at the others `ProcessEnded` without a message takes its place.
    Raises `UsageError` for variables that name no rank, `ReadWriteError` where the processes do not meet.
    """
    ranks = named(os.environ)
    if ranks.alone:
        yield ranks
        return
    try:
        store = _patiently(lambda: _met(ranks))
    except (Exception, KeyboardInterrupt):
        raise
    except BaseException:  # torchrun ends all where one could not start
        told = f"another of the {ranks.world} processes of this training did not start"
        raise ProcessEnded(*[told] if ranks.leads else []) from None
    try:
        yield ranks
    except Exception as error:
        if isinstance(error, ProcessEnded) and not ranks.leads and ranks.world > 2:
            _let_first_speak(store)
        if not _speaks(store, ranks):
            raise ProcessEnded from error
        if ranks.leads:
            _keep(store, ranks)
        if not ranks.leads and not isinstance(error, ProcessEnded):
            error.args = (f"process {ranks.rank + 1} of {ranks.world}: {error}",)
        raise
    except BaseException:  # a signal: rank 0 has said how to go on
        if ranks.leads:
            _speaks(store, ranks)
        raise


def named(environment: Mapping[str, str]) -> Ranks:
    """Return the rank that variables name; raises `UsageError` where they name none, though they begin to."""
    given = {name: environment[name] for name in (*NEEDED, "LOCAL_RANK") if environment.get(name)}
    if "RANK" not in given and "WORLD_SIZE" not in given:
        return ALONE
    if given.get("WORLD_SIZE") == "1" and given.get("RANK", "0") == "0":
        return ALONE
    missing = [name for name in NEEDED if name not in given]
    if missing:
        lacking = f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
        raise UsageError(f"{', '.join(NEEDED)} name one of several processes together; {lacking}", fix="torchrun")
    rank, world, port = (_number(name, given[name]) for name in ("RANK", "WORLD_SIZE", "MASTER_PORT"))
    if not (rank < world and 0 < port < 1 << 16):
        raise UsageError(f"no process {rank} of {world} can meet the others at port {port}", fix="torchrun")
    return Ranks(rank, world, _number("LOCAL_RANK", given.get("LOCAL_RANK", str(rank))))


def _number(name: str, text: str) -> int:
    if not text.isdecimal():
        raise UsageError(f'{name} is a whole number, not "{printable(text)}"', fix="torchrun")
    return int(text)


@functools.cache
def _met(ranks: Ranks) -> Any:
    """Let all processes meet, for as long as they live, and return their store.

    CPU tensors go by gloo, those of CUDA by nccl.
    """
    import torch
    import torch.distributed as dist
    from torch.distributed.rendezvous import rendezvous

    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        with quiet_libraries():
            store, _, _ = next(rendezvous("env://", ranks.rank, ranks.world, timeout=JOIN))
            dist.init_process_group(backend, store=store, rank=ranks.rank, world_size=ranks.world, timeout=WAIT)
    except (RuntimeError, ValueError) as error:
        place = printable(f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}")
        why = (str(error).splitlines() or [""])[0]
        raise ReadWriteError(f"the {ranks.world} processes of this training did not meet at {place}: {why}") from error
    return store


def _let_first_speak(store: Any) -> None:
    """Let rank 0, if it is there, learn that a rank ended, and say what it saved; SIGTERM does not come before."""
    import torch.distributed as dist

    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)  # of torchrun, which ends all
    with contextlib.suppress(RuntimeError):
        dist.destroy_process_group()
        store.wait([SAID], GRACE)
    signal.signal(signal.SIGTERM, before)


def _keep(store: Any, ranks: Ranks) -> None:
    """Keep a store that lies with rank 0, as without torchrun, until the others know that they need not speak."""
    import torch.distributed as dist

    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
        return
    end = time.monotonic() + GRACE.total_seconds()
    with contextlib.suppress(RuntimeError):
        dist.destroy_process_group()
    while store.add(SAID, 0) < ranks.world and time.monotonic() < end:
        time.sleep(0.02)


def _speaks(store: Any, ranks: Ranks) -> bool:
    """Return whether this rank is the first to say why the training ends; without a store the lowest one left is."""
    try:
        with quiet_libraries():
            return bool(store.add(SAID, 1) == 1)
    except RuntimeError:  # it lay with rank 0, which ended
        return ranks.rank == 1


def _patiently(call: Callable[[], Any]) -> Any:
    """Return what a call of torch returns that may wait long: signals are handled meanwhile, as torch handles none."""
    results: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()

    def work() -> None:
        try:
            results.put((call(), None))
        except BaseException as error:
            results.put((None, error))

    Thread(target=work, daemon=True).start()
    result, error = results.get()
    if error is not None:
        raise error
    return result
