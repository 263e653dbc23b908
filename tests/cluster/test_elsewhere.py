"""Pictures elsewhere, against real servers on loopback: S3 of moto, and a Ray cluster of two workers.

By hand: `pip install 'moto[server]' 'daft[ray]'`; `moto_server -H 127.0.0.1 -p 5000` with
AWS_ENDPOINT_URL=http://127.0.0.1:5000 and any AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_DEFAULT_REGION;
`ray start --head --port=6380 --ray-client-server-port=9990 --num-cpus=1`, then
`ray start --address=127.0.0.1:6380 --num-cpus=1`.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import pytest

from tests.cluster.rows import expected, found_in, make_pictures, rows_in
from tests.conftest import REPOSITORY

pytest.importorskip("daft", reason="DAFT IS NOT INSTALLED: pip install 'daft>=0.7.26'")
pytestmark = pytest.mark.slow

ENGINE = ("--engine", "daft")
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}


def free_port() -> int:
    """Return a port below those that Ray gives to its workers."""
    for port in range(9000, 9900):
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)):
                return port
    raise AssertionError("no port is free")


@pytest.fixture
def pictures(workplace, toy, monkeypatch) -> Path:
    monkeypatch.setenv("AETOOL_MODEL", str(toy))
    make_pictures(workplace / "in")
    return workplace / "in"


@pytest.fixture
def bucket(monkeypatch):
    """The URL of a bucket of a server that ends with the test."""
    pytest.importorskip("moto", reason="MOTO IS NOT INSTALLED: pip install 'moto[server]'")
    url = f"http://127.0.0.1:{free_port()}"
    for name, value in (KEYS | {"AWS_ENDPOINT_URL": url}).items():
        monkeypatch.setenv(name, value)
    words = [
        sys.executable,
        "-c",
        "from moto.server import main; main()",
        "-H",
        "127.0.0.1",
        "-p",
        url.rpartition(":")[2],
    ]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        for _ in range(300):
            try:
                put(url, "bucket")
                break
            except OSError:
                time.sleep(0.1)
        yield url
        server.terminate()


def put(url: str, key: str, data: bytes = b"") -> None:
    """Make a bucket, or put an object into it, with plain HTTP and a signature that is not looked at."""
    signed = {
        "Content-Type": "image/png",
        "Authorization": "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request",
    }
    request = urllib.request.Request(f"{url}/{key}", data, signed, method="PUT")
    urllib.request.urlopen(request, timeout=10).close()


def test_from_a_bucket_to_a_bucket(pictures, aetool, bucket):
    names = [name for name in pictures.rglob("*") if name.is_file() and name.name.isascii() and "deep" not in name.name]
    for name in names:
        put(bucket, f"bucket/photos/{name.relative_to(pictures)}", name.read_bytes())
    put(bucket, "bucket/photos/.hidden/a.png", b"no picture")
    assert aetool("encode", "in", "-o", "z.npz").returncode == 3
    want = {f"s3://bucket/photos/{name[3:]}": value for name, value in expected(Path("z.npz")).items()}
    want = {name: value for name, value in want.items() if name.isascii() and "deep" not in name}
    for given, code in (("s3://bucket/photos/**/[0-9].png", 0), ("s3://bucket/photos", 3)):
        out = f"out-{code}/"
        done = aetool("encode", given, *ENGINE, "-o", out)
        assert done.returncode == code, done.stderr
        assert found_in(rows_in(Path(out))) == want and len(want) == 6
    assert [row["error"] for row in rows_in(Path("out-3")) if row["error"]] == ["not an image that can be read"]

    assert aetool("encode", "s3://bucket/photos/*/0.png", *ENGINE, "-o", "s3://bucket/rows/").returncode == 0
    again = aetool("encode", "s3://bucket/photos/", *ENGINE, "-o", "s3://bucket/rows/", "--skip-existing")
    assert again.returncode == 3 and b"4 done, 1 failed" in again.stderr and b"2 are there already" in again.stderr
    read = aetool("encode", "s3://bucket/rows/", "--column", "path", *ENGINE, "-o", "back/")
    assert read.returncode == 3 and found_in(rows_in(Path("back"))) == want
    nothing = aetool("encode", "s3://bucket/none/*.png", *ENGINE, "-o", "none/")
    assert nothing.returncode == 4 and b"nothing is found at s3://bucket/none/*.png" in nothing.stderr
    gone = aetool("encode", "s3://bucket/gone.png", f"{bucket}/bucket/gone.jpg", *ENGINE, "-o", "gone/")
    assert gone.returncode == 4 and gone.stderr.count(b" does not exist") == 2


def test_the_walk_of_the_page(shell, aetool, bucket):
    page = (REPOSITORY / "docs/cluster.md").read_text()
    (block,) = re.findall(r"```sh no-test\n(moto_server.*?)```", page, re.S)
    pytest.importorskip("boto3", reason="BOTO3 IS NOT INSTALLED: pip install 'moto[server]'")
    assert aetool("sample", "-m", "mnist", "--digit", "3", "-n", "4", "--seed", "1", "-o", "threes/").returncode == 0
    done = shell("set -e; " + block.partition("\n")[2].replace("http://127.0.0.1:5000", bucket))  # where it runs
    assert done.returncode == 0, done.stderr
    (row,) = rows_in(Path("scores"))
    assert (row["path"], row["class"]) == ("s3://bucket/photos/threes/1.png", "threes") and row["percentile"] <= 100


@pytest.fixture(scope="module")
def cluster():
    """The address of a Ray cluster of two workers, which ends with the tests."""
    pytest.importorskip("ray", reason="RAY IS NOT INSTALLED: pip install 'daft[ray]'")
    client, head = free_port(), None
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as place:  # short, for the names of its sockets
        env = os.environ | {"RAY_USAGE_STATS_ENABLED": "0"}
        ray = [sys.executable, "-c", "from ray.scripts.scripts import main; main()", "start", "--block", "--num-cpus=1"]
        inner = "127.0.0.1:9981"
        first = ["--head", "--port=9981", f"--ray-client-server-port={client}", "--include-dashboard=false",
                 f"--temp-dir={place}"]  # fmt: skip
        started = []
        for words in (first, [f"--address={inner}"]):
            words = [*ray, "--node-ip-address=127.0.0.1", *words]
            head = subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                    start_new_session=True)  # fmt: skip
            started.append(head)
            for _ in range(600):
                with socket.socket() as one:
                    if not one.connect_ex(("127.0.0.1", client)):
                        break
                time.sleep(0.1)
        yield f"ray://127.0.0.1:{client}"
        for process in reversed(started):
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(60)


def test_a_ray_cluster_of_two_workers(pictures, aetool, cluster):
    assert aetool("encode", "in", "-o", "z.npz").returncode == 3
    done = aetool("encode", "in", *ENGINE, "--cluster", cluster, "-o", "out/")
    assert done.returncode == 3 and b"10 done, 1 failed" in done.stderr, done.stderr
    assert found_in(rows_in(Path("out"))) == expected(Path("z.npz"))
    assert len(list(Path("out").glob("*.parquet"))) > 1
    again = aetool("encode", "in", *ENGINE, "--cluster", cluster, "-o", "out/", "--skip-existing")
    assert again.returncode == 3 and b"0 done, 1 failed" in again.stderr and len(rows_in(Path("out"))) == 11


def test_a_cluster_that_is_not_there(pictures, aetool):
    pytest.importorskip("ray", reason="RAY IS NOT INSTALLED: pip install 'daft[ray]'")
    done = aetool("encode", "in", *ENGINE, "--cluster", "ray://127.0.0.1:1", "-o", "out/")
    assert done.returncode == 8 and b"the Ray cluster ray://127.0.0.1:1 cannot be used: " in done.stderr
    assert done.stderr.count(b"\n") == 1 and not Path("out").exists()
