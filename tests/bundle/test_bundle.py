"""Bundles: every byte checked, nothing extra, found by folder, name or choice, and never overwritten by accident."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aetool.bundle import folder, lookup
from aetool.bundle.bundle import Bundle
from aetool.bundle.folder import CARD, FILES, SUMS, canonical_sums, check_free, identity, write
from aetool.bundle.lookup import candidates, default_path, find_identity, find_path, own_models, shipped_path
from aetool.cli.fixes import told
from aetool.errors import BundleError, ReadWriteError, UsageError
from aetool.latents.bank_file import write_bank
from tests.toy import CLASSES, toy_bank, toy_graphs, toy_latents, toy_manifest


@pytest.fixture
def copy(toy, tmp_path) -> Path:
    """A copy of the toy bundle that may be changed."""
    return Path(shutil.copytree(toy, tmp_path / "copy"))


@pytest.fixture
def shipped(tmp_path, monkeypatch, toy) -> Path:
    """A folder in the place of the shipped models; it holds "mnist", a toy."""
    folder = tmp_path / "shipped"
    shutil.copytree(toy, folder / "mnist")
    monkeypatch.setattr(lookup, "shipped_path", lambda name: folder / name)
    return folder


@pytest.fixture
def models(shipped, tmp_path, monkeypatch) -> Path:
    """The models folder of an empty current folder, not made yet."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.delenv("AETOOL_MODEL", raising=False)
    return tmp_path / "here" / "models"


def exported(path: Path, when: str = "2026-01-01T00:00:00+00:00", other: bytes = b"") -> Path:
    """Write a toy exported at another time; bytes behind its encoder make it another model."""
    graphs = toy_graphs()
    graphs["encoder.onnx"] += other
    manifest = replace(toy_manifest(), exported=when)
    files = graphs | {"bank.npz": write_bank(toy_bank()), "bundle.json": manifest.to_json()}
    write(path, files, "a card", replace=False)
    return path


# Reading


def test_a_bundle_is_read_with_all_it_says_of_itself(toy):
    read = Bundle.read(toy)
    assert read.name == "toy"
    assert read.manifest.classes == CLASSES and read.manifest.latent_size == 4
    assert set(read.files) == set(FILES)
    assert all(data == (toy / name).read_bytes() for name, data in read.files.items())
    assert np.array_equal(read.bank().latents, toy_latents())


def test_the_identity_is_the_hash_of_both_graphs(toy):
    encoder, decoder = ((toy / f"{part}.onnx").read_bytes() for part in ("encoder", "decoder"))
    assert Bundle.read(toy).identity == hashlib.sha256(encoder + decoder).hexdigest()[:16]
    assert identity({"encoder.onnx": b"a", "decoder.onnx": b"b"}) != identity(
        {"encoder.onnx": b"b", "decoder.onnx": b"a"}
    )


def test_the_sums_are_what_sha256sum_writes(toy):
    done = subprocess.run(["sha256sum", *FILES], cwd=toy, capture_output=True, check=True)
    assert (toy / SUMS).read_bytes() == done.stdout
    assert subprocess.run(["sha256sum", "--check", "--strict", "--quiet", SUMS], cwd=toy).returncode == 0
    assert canonical_sums({"b": b"", "a": b"x"}).splitlines() == [
        b"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881  a",
        b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  b",
    ]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("where", ["first", "middle", "last"])
def test_one_changed_byte_is_refused_and_the_file_named(copy, name, where):
    data = bytearray((copy / name).read_bytes())
    data[{"first": 0, "middle": len(data) // 2, "last": -1}[where]] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(BundleError) as caught:
        Bundle.read(copy)
    assert str(caught.value) == (
        f"the bundle {copy} is refused: {name} is not what SHA256SUMS says; get or export it anew"
    )  # fmt: skip


def test_one_changed_byte_of_the_sums_is_refused(copy):
    sums = (copy / SUMS).read_bytes()
    for at in range(len(sums)):
        (copy / SUMS).write_bytes(sums[:at] + bytes([sums[at] ^ 1]) + sums[at + 1 :])
        with pytest.raises(BundleError, match="is refused"):
            Bundle.read(copy)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("change", ["longer", "shorter", "empty"])
def test_another_length_is_refused(copy, name, change):
    data = (copy / name).read_bytes()
    (copy / name).write_bytes({"longer": data + b"\0", "shorter": data[:-1], "empty": b""}[change])
    with pytest.raises(BundleError, match=f"{name} is not what SHA256SUMS says"):
        Bundle.read(copy)


@pytest.mark.parametrize(
    "change",
    [
        lambda sums: b"".join(reversed(sums.splitlines(keepends=True))),
        lambda sums: sums + b"\n",
        lambda sums: b"\n" + sums,
        lambda sums: sums[:-1],
        lambda sums: sums.replace(b"  ", b" "),
        lambda sums: sums.replace(b"  ", b" *"),
        lambda sums: sums.replace(b"\n", b"\r\n"),
        lambda sums: sums.upper(),
        lambda sums: sums + sums,
        lambda sums: sums + hashlib.sha256(b"x").hexdigest().encode() + b"  extra\n",
        lambda sums: b"".join(sums.splitlines(keepends=True)[1:]),
        lambda sums: b"",
        lambda sums: b"\xff" * 300,
    ],
    ids=["reordered", "a line more", "a line before", "no last newline", "one space", "binary", "crlf", "upper case",
         "twice", "another file", "a line less", "empty", "no text"],
)  # fmt: skip
def test_sums_in_another_form_are_refused(copy, change):
    sums = (copy / SUMS).read_bytes()
    (copy / SUMS).write_bytes(change(sums))
    assert (copy / SUMS).read_bytes() != sums
    with pytest.raises(BundleError, match=r"is refused: .* is not"):
        Bundle.read(copy)


@pytest.mark.parametrize("name", [*FILES, SUMS])
def test_a_missing_file_is_refused(copy, name):
    (copy / name).unlink()
    with pytest.raises(BundleError, match=f"{name} is missing"):
        Bundle.read(copy)


@pytest.mark.parametrize(
    "name", ["encoder.onnx.data", "pickle.pt", "Bundle.json", "bank.npz~", "a\x1b[31mb", "sub/file"]
)
def test_an_extra_file_is_refused_and_its_name_made_printable(copy, name):
    (copy / name).parent.mkdir(exist_ok=True)
    (copy / name).write_bytes(b"")
    with pytest.raises(BundleError, match="does not belong there") as caught:
        Bundle.read(copy)
    assert str(caught.value).isprintable()


def test_the_card_and_dot_files_may_be_changed_added_and_left_out(copy):
    before = Bundle.read(copy)
    (copy / CARD).write_text("my own words")
    (copy / ".DS_Store").write_bytes(b"\0")
    (copy / ".git").mkdir()
    assert Bundle.read(copy).files == before.files
    (copy / CARD).unlink()
    assert Bundle.read(copy).files == before.files


@pytest.mark.parametrize("name", [*FILES, SUMS])
def test_what_is_no_regular_file_is_refused_without_hanging(copy, name):
    (copy / name).unlink()
    (copy / name).mkdir()
    with pytest.raises(BundleError, match=f"{name} is no file of acceptable size"):
        Bundle.read(copy)
    (copy / name).rmdir()
    os.mkfifo(copy / name)
    with pytest.raises(BundleError, match=f"{name} is no file of acceptable size"):
        Bundle.read(copy)


def test_a_file_that_is_too_large_is_refused_before_it_is_read(copy, monkeypatch):
    sizes = {name: (copy / name).stat().st_size for name in (*FILES, SUMS)}
    monkeypatch.setattr(folder, "MAX_BYTES", sizes)
    Bundle.read(copy)
    for name in sizes:
        monkeypatch.setattr(folder, "MAX_BYTES", sizes | {name: sizes[name] - 1})
        with pytest.raises(BundleError, match=f"{name} is no file of acceptable size"):
            Bundle.read(copy)


@pytest.mark.parametrize("name", [*FILES, SUMS])
def test_a_link_in_a_bundle_is_refused_wherever_it_leads(copy, tmp_path, name):
    (copy / name).rename(tmp_path / "elsewhere")
    (copy / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match=f"{name} is a link, and a bundle holds files alone"):
        Bundle.read(copy)


def test_a_folder_that_is_not_there_or_no_folder_is_refused(tmp_path):
    with pytest.raises(BundleError, match="cannot be read: No such file or directory"):
        Bundle.read(tmp_path / "missing")
    (tmp_path / "file").touch()
    with pytest.raises(BundleError, match="cannot be read: Not a directory"):
        Bundle.read(tmp_path / "file")


def test_good_sums_of_a_bad_manifest_or_bank_do_not_help(copy):
    files = {name: (copy / name).read_bytes() for name in FILES}
    for name, message in (("bundle.json", "is not JSON"), ("bank.npz", "damaged or incomplete")):
        bad = files | {name: b"hello"}
        write(copy, bad, "", replace=True)
        with pytest.raises(BundleError, match=message):
            Bundle.read(copy).bank()


# Writing


def test_a_bundle_is_written_whole_with_sums_and_card(tmp_path):
    exported(tmp_path / "mine")
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == sorted([*FILES, SUMS, CARD])
    assert (tmp_path / "mine" / CARD).read_text() == "a card"
    assert Bundle.read(tmp_path / "mine").name == "mine"


def test_a_bundle_replaces_another_only_where_that_is_asked(copy):
    files = {name: (copy / name).read_bytes() for name in FILES}
    with pytest.raises(ReadWriteError):
        write(copy, files, "new", replace=False)
    assert (copy / CARD).read_text() != "new"
    write(copy, files, "new", replace=True)
    assert (copy / CARD).read_text() == "new"
    Bundle.read(copy)


@pytest.mark.parametrize("force", [False, True])
def test_what_is_no_bundle_is_never_free(tmp_path, force):
    check_free(tmp_path / "new", force)
    (tmp_path / "photos").mkdir()
    (tmp_path / "file").touch()
    for path in (tmp_path / "photos", tmp_path / "file"):
        with pytest.raises(UsageError, match=r"exists and is no bundle$") as caught:
            check_free(path, force)
        assert told(caught.value).endswith("; choose another -o")


def test_a_bundle_is_free_only_by_force(copy):
    with pytest.raises(UsageError, match=r"copy exists$") as caught:
        check_free(copy, False)
    assert told(caught.value).endswith("exists; choose another -o, or replace it with --force")
    check_free(copy, True)


# Finding


def test_a_model_is_found_by_folder_by_name_below_models_and_by_shipped_name(models, copy, shipped):
    exported(models / "mine")
    assert find_path(str(copy)) == copy
    assert find_path("models/mine") == Path("models/mine")
    assert find_path("mine") == Path("models/mine")
    assert find_path("mnist") == shipped / "mnist"
    for name in (str(copy), "models/mine", "mine", "mnist"):
        assert Bundle.find(name).identity == Bundle.read(copy).identity


def test_a_folder_comes_before_a_name_below_models_and_that_before_a_shipped_one(models, shipped):
    exported(models / "mnist")
    assert find_path("mnist") == Path("models/mnist")
    exported(Path("mnist"))
    assert find_path("mnist") == Path("mnist")


def test_a_folder_without_a_manifest_is_no_model(models, shipped):
    Path("mnist").mkdir()
    (models / "mnist").mkdir(parents=True)
    assert find_path("mnist") == shipped / "mnist"


def test_an_unknown_model_is_refused_with_what_there_is(models):
    exported(models / "faces")
    with pytest.raises(BundleError) as caught:
        find_path("face")
    assert str(caught.value) == 'no model "face" (did you mean "faces"?); there is faces, mnist'
    with pytest.raises(BundleError, match=r"no model \"a\\x1bb\"; there is"):
        find_path("a\x1bb")


def test_where_there_is_no_model_at_all_the_way_to_one_is_told(models, shipped):
    shutil.rmtree(shipped / "mnist")
    with pytest.raises(BundleError, match='no model "x"; make one with: aetool train && aetool export'):
        find_path("x")
    with pytest.raises(BundleError):
        Bundle.find()


def test_own_models_are_those_below_models_by_name_without_the_shipped(models, shipped):
    assert own_models() == []
    for name in ("b", "a"):
        exported(models / name)
    (models / "c").mkdir()
    (models / "README.md").touch()
    (models / "mnist").symlink_to(shipped / "mnist")
    assert own_models() == [Path("models/a"), Path("models/b")]
    assert candidates() == [Path("models/a"), Path("models/b"), shipped / "mnist"]


def test_without_a_choice_the_shipped_model_is_taken(models, shipped):
    assert default_path() == (shipped / "mnist", "the shipped model")
    assert Bundle.find().name == "mnist"


def test_the_newest_of_the_own_models_comes_before_the_shipped_one(models):
    exported(models / "a", "2026-03-01T00:00:00+00:00")
    exported(models / "b", "2026-05-01T00:00:00+00:00")
    exported(models / "c", "2025-12-31T23:59:59+00:00")
    assert default_path() == (Path("models/b"), "the newest under ./models")
    os.utime(models / "a" / "bundle.json")  # the manifest says when, not the file
    assert Bundle.find().name == "b"


def test_a_damaged_model_is_not_chosen(models):
    exported(models / "good", "2026-03-01T00:00:00+00:00")
    exported(models / "bad", "2026-05-01T00:00:00+00:00")
    (models / "bad" / "bundle.json").write_bytes(b"{")
    assert default_path()[0] == Path("models/good")
    (models / "good" / "bundle.json").unlink()
    assert default_path()[1] == "the shipped model"


def test_the_environment_comes_before_all(models, monkeypatch, copy):
    exported(models / "a")
    for name, path in ((str(copy), copy), ("a", Path("models/a"))):
        monkeypatch.setenv("AETOOL_MODEL", name)
        assert default_path() == (path, "from $AETOOL_MODEL")
    monkeypatch.setenv("AETOOL_MODEL", "missing")
    with pytest.raises(BundleError, match='no model "missing"'):
        default_path()
    monkeypatch.setenv("AETOOL_MODEL", "")
    assert default_path() == (Path("models/a"), "the newest under ./models")


def test_a_model_is_found_by_its_identity(models, shipped):
    exported(models / "a")
    other = exported(models / "b", other=b"\0")
    wanted = identity({name: (other / name).read_bytes() for name in ("encoder.onnx", "decoder.onnx")})
    assert find_identity(wanted) == Path("models/b")
    assert find_identity(Bundle.read(shipped / "mnist").identity) == Path("models/a")
    (models / "a" / "encoder.onnx").unlink()
    assert find_identity(Bundle.read(shipped / "mnist").identity) == shipped / "mnist"
    assert find_identity("0" * 16) is None


def test_the_shipped_models_are_looked_for_in_the_package_and_beside_it():
    package = Path(lookup.__file__).parents[1]
    installed, checkout = package / "models" / "mnist", package.parent / "models" / "mnist"
    assert shipped_path("mnist") == (installed if installed.is_dir() else checkout)


def test_a_model_that_also_lies_in_models_is_named_once(toy, workplace):
    (workplace / "models").mkdir()
    shutil.copytree(toy, workplace / "models" / "mnist")
    with pytest.raises(BundleError) as caught:
        Bundle.find("nosuch")
    assert str(caught.value).count("mnist") == 1
