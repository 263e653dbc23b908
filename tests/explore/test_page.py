"""The page as a file: what it holds, for every kind of model, and what it never does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from aetool.bundle.bundle import Bundle
from aetool.bundle.lookup import SHIPPED, shipped_path
from aetool.explore import rows
from aetool.explore.assembly import to_json
from aetool.latents.neighbours import Index
from aetool.runtime.codec import Codec
from tests.explore.kinds import write_kind
from tests.explore.parsed import Parsed
from tests.toy import toy_image, toy_latents

DRAWN = 100
EVIL = ["</script><script>alert(1)</script>", "<!--", "a&b", "\u2028\u2029", "ü 你 🙂", '"quoted"', "\\", "-->", "]]>"]


@pytest.fixture
def explored(cli, small, monkeypatch):
    """Run the command and return the page, taken apart; samples on a map are few."""
    monkeypatch.setattr(rows, "DRAWN", DRAWN)

    def run(*words: object) -> Parsed:
        code, out, err = cli("explore", *words, "--runtime", small)
        assert code == 0, err
        return Parsed(out.decode())

    return run


def test_the_page_holds_graphs_rows_and_statistics(toy, explored):
    page = explored("-m", toy)
    bundle = Bundle.read(toy)
    assert page.data["model"]["identity"] == bundle.identity and page.data["title"] == "toy"
    assert page.data["bank"] == {"rows": 12, "labelled": True} and page.data["map"]["kind"] == "t-SNE"
    assert abs(page.latents() - toy_latents()).max() < 1e-6
    assert page.blob("labels", "<i2").tolist() == [0] * 6 + [1] * 6
    assert page.blob("positions", "<f4").shape == (24,) and np.isfinite(page.blob("positions", "<f4")).all()
    assert json.loads(bytes(page.blob("sources"))) == [f"{i}.png" for i in range(12)]
    for name in ("encoder", "decoder"):
        assert len(page.blob(name)) == len(bundle.files[f"{name}.onnx"])
    assert b"globalThis.ort={InferenceSession:a,default:b}" in bytes(page.blob("runtime"))
    assert bytes(page.blob("wasm")).startswith(b"\0asm")


def test_the_neighbour_graph_is_that_of_the_bank(explored, tmp_path):
    from aetool.generation.neighbour_graph import neighbour_graph

    path = write_kind(tmp_path / "many", 3, classes=["a", "b", "c"], n=200)
    page = explored("-m", path)
    graph = neighbour_graph(Bundle.read(path).bank())
    pairs = {(i, int(j)) for i in range(200) for j in graph.ends[graph.starts[i] : graph.starts[i + 1]]}
    rows = np.repeat(np.arange(200), page.blob("edge_counts", "<u4"))
    found = list(zip(rows.tolist(), page.blob("edge_ends", "<u2").tolist(), strict=True))
    assert {(min(pair), max(pair)) for pair in pairs} == set(found) and len(found) == len(set(found))


def test_no_text_ends_the_data_of_a_page():
    for text in EVIL:
        found = to_json({"classes": [text, "\ud800"]})
        assert not re.search(r"[<>&\u2028\u2029]", found) and found.isascii()
        assert json.loads(found)["classes"] == [text, "\ud800"]


def test_names_of_folders_are_texts_and_nothing_else(explored, tmp_path, small):
    path = write_kind(tmp_path / "<b>'&", 3, classes=EVIL)
    page, plain = explored("-m", path), explored("-m", write_kind(tmp_path / "plain", 3, classes=list("abcdefghi")))
    assert page.data["model"]["classes"] == EVIL and page.data["title"] == "<b>'&"
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in plain.elements]


def test_the_policy_forbids_every_connection(toy, explored):
    (policy,) = (a["content"] for tag, a in explored("-m", toy).elements if a.get("http-equiv"))
    rules = dict(rule.split(" ", 1) for rule in map(str.strip, policy.split(";")))
    assert rules["default-src"] == "'none'" and rules["connect-src"] == "'none'"
    assert not re.search(r"https?:|\*", policy) and "unsafe-eval'" not in policy.replace("wasm-unsafe-eval", "")


def test_no_element_names_another_file(toy, explored):
    page = explored("-m", toy)
    for tag, attributes in page.elements:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            assert (attributes.get(name) or "data:").startswith(("data:", "#")), (tag, attributes)
    assert re.search(r"@import|url\(\s*['\"]?(?!data:)[a-z]+:", page.text.partition("</style>")[0]) is None


def test_the_same_words_give_the_same_bytes(cli, small, toy, workplace):
    for name in ("a.html", "b.html"):
        assert cli("explore", "-m", toy, "--runtime", small, "-o", name)[0] == 0
    assert Path("a.html").read_bytes() == Path("b.html").read_bytes()


def test_paths_are_never_absolute(explored, toy, workplace):
    Path("mine/cats").mkdir(parents=True)
    for name in ("mine/cats/a.png", "b.png"):
        toy_image(0, 50, 100, 200).save(name)
    Path("list").write_text(f"{workplace}/b.png\n")
    shown = {
        ("mine", "./b.png"): ["mine/cats/a.png", "./b.png"],
        (workplace / "mine",): ["cats/a.png"],
        (workplace / "mine", workplace / "b.png"): ["mine/cats/a.png", "b.png"],
        ("--files-from", "list"): ["b.png"],
    }
    for words, names in shown.items():
        page = explored("-m", toy, *words)
        assert page.data["layers"] == [{"name": "Your pictures", "files": names}]
        assert page.data["model"]["argument"] == "toy"
        assert_no_path(page, str(workplace), str(toy.parent), str(Path.home()))


def assert_no_path(page, *paths):
    for text in (page.text, *(bytes(page.blob(name)).decode("latin-1") for name in ("sources", "encoder", "decoder"))):
        assert not any(path in text for path in paths)


@pytest.mark.parametrize("given", ["toy", "models/toy", "./models/../models/toy"])
def test_commands_call_the_model_as_it_was_typed(given, explored, toy, workplace):
    Path("models").mkdir()
    Path("models/toy").symlink_to(toy)
    assert explored("-m", given).data["model"]["argument"] == given
    assert explored("-m", workplace / "models/toy").data["model"]["argument"] == "toy"


def test_pictures_of_the_reader_are_a_second_layer(explored, toy, workplace):
    Path("mine/light").mkdir(parents=True)
    toy_image(191, 191, 191, 191).save("mine/light/a.png")
    toy_image(0, 0, 0, 0).save("mine/b.png")
    page = explored("-m", toy, "mine")
    latents, places = page.latents(), page.blob("positions", "<f4").reshape(-1, 2)
    assert page.data["layers"][0]["files"] == ["mine/b.png", "mine/light/a.png"]
    assert page.data["map"]["rows"] == 12 and len(latents) == len(places) == 14
    assert abs(latents[12:] - np.array([[0] * 4, [191 / 255] * 4])).max() < 1e-5
    assert page.blob("labels", "<i2")[12:].tolist() == [-1, 1]
    for place, near in zip(places[12:], (places[:6], places[6:12]), strict=True):
        assert (near.min(0) <= place).all() and (place <= near.max(0)).all()


def test_pictures_that_fail_are_named_and_the_page_is_written(cli, small, toy, workplace):
    toy_image(0, 50, 100, 200).save("a.png")
    Path("b.png").write_bytes(b"no picture")
    code, _, err = cli("explore", "-m", toy, "--runtime", small, "a.png", "b.png", "-o", "page.html", "--errors", "e")
    assert code == 3 and "b.png" in err and Path("page.html").exists() and "b.png" in Path("e").read_text()
    code, _, err = cli("explore", "-m", toy, "--runtime", small, "b.png", "-o", "none.html")
    assert code == 4 and not Path("none.html").exists()


def test_without_a_bank_no_latent_of_a_training_image_is_in_the_page(explored, toy):
    page = explored("-m", toy, "--no-bank")
    assert page.data["bank"] is None and page.data["map"]["kind"] == "samples" and "blob-sources" not in page.scripts
    assert len(page.latents()) == DRAWN and page.data["sampler"]["name"] == "gmm"
    assert abs(page.latents()[:, None] - toy_latents()[None]).max(2).min() > 1e-6
    assert np.bincount(page.blob("labels", "<i2")).tolist() == [DRAWN // 2] * 2


@pytest.mark.parametrize("k", [1, 2, 3, 64, 192])
@pytest.mark.parametrize("channels", [1, 3])
def test_models_of_every_size_have_a_page(k, channels, explored, tmp_path):
    if k > 64 * channels:
        pytest.skip("8x8 grey pixels are 64 numbers")
    path = write_kind(tmp_path / "kind", k, channels, ["a", "b"])
    page = explored("-m", path)
    assert abs(page.latents() - Bundle.read(path).bank().latents).max() < 1e-6
    assert page.data["map"]["kind"] == ("latents" if k <= 2 else "t-SNE")
    if k == 2:
        assert abs(page.blob("positions", "<f4").reshape(-1, 2) - page.latents()).max() < 1e-4


@pytest.mark.parametrize(("n", "stored"), [(0, True), (0, False), (1, True), (2, True), (4, True), (30, False)])
def test_few_or_no_images_at_export_leave_a_page(n, stored, explored, tmp_path):
    page = explored("-m", write_kind(tmp_path / "few", 5, classes=["a", "b"] if n else [], n=n, rows=stored))
    drawn = not stored or not n
    assert (page.data["bank"] is None) == drawn
    assert page.data["map"]["rows"] == (n if not drawn else DRAWN if n else 0)
    assert np.isfinite(page.blob("positions", "<f4")).all() and "NaN" not in page.scripts["data"]


def test_two_hundred_classes_and_none(explored, tmp_path):
    classes = [f"class {i}" for i in range(200)]
    page = explored("-m", write_kind(tmp_path / "many", 8, classes=classes, n=400))
    assert page.data["model"]["classes"] == classes and page.blob("labels", "<i2").max() == 199
    assert explored("-m", write_kind(tmp_path / "none", 8)).blob("labels", "<i2").max() == -1


def test_a_large_scale_or_an_outlier_does_not_coarsen_the_latents(explored, toy, workplace):
    toy_image(255, 255, 255, 0).save("far.png")
    page = explored("-m", toy, "far.png")
    assert abs(page.latents()[:12] - toy_latents()).max() < 1e-6


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["-o", "page.txt"], 2, "end it with .html"),
        (["-o", "there/"], 2, "end it with .html"),
        (["--whole", "-o", "p.html"], 2, "--whole is for FILES"),
        (["--errors", "e", "-o", "p.html"], 2, "--errors is for FILES"),
        (["--layout", "nchw", "-o", "p.html"], 2, "--layout is for FILES"),
        (["-0", "-o", "p.html"], 2, "--files-from"),
        (["gone.png", "-o", "p.html"], 7, "gone.png"),
        (["-o", "gone/p.html"], 7, "gone/p.html"),
    ],
)
def test_bad_words_are_told_in_a_line(words, code, said, cli, small, toy, workplace):
    found, _, err = cli("explore", "-m", toy, "--runtime", small, *words)
    assert found == code and said in err and not Path("p.html").exists()


def test_a_page_replaces_no_input(cli, small, toy, workplace):
    toy_image(0, 50, 100, 200).save("a.png")
    Path("a.html").write_bytes(Path("a.png").read_bytes())
    code, _, err = cli("explore", "-m", toy, "--runtime", small, "a.html", "-o", "a.html")
    assert code == 2 and "input" in err


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_banks_keep_neighbours_of_a_class_together_on_their_map(name):
    bank = Bundle.read(shipped_path(name)).bank()
    places = bank.positions.astype(np.float64)
    probes = np.arange(0, len(places), max(1, len(places) // 2000))
    near = Index(places).rows(places[probes], 11)[:, 1:]
    close = Index(bank.latents).rows(bank.latents[probes], 11)[:, 1:]
    shares = [(bank.labels[rows] == bank.labels[probes, None]).mean() for rows in (near, close)]
    assert shares[0] >= shares[1] - 0.03 and (name != "mnist" or shares[0] >= 0.95), shares


def test_rounded_weights_of_a_shipped_model_show_in_no_picture(explored):
    page, bundle = explored("-m", "mnist"), Bundle.find("mnist")
    assert page.data["model"]["weights"] == "rounded" and len(page.text) < 12_000_000 - 4_870_000
    from aetool.arrays import to_images, to_pixels
    from aetool.bundle.bundle import Graphs

    graphs = Graphs(bytes(page.blob("encoder")), bytes(page.blob("decoder")), bundle.manifest.image, 16)
    before, after = Codec(bundle, "cpu"), Codec(graphs, "cpu")
    latents = bundle.bank().latents[7::50]
    levels = [to_pixels(codec.decode(latents)).astype(int) for codec in (before, after)]
    assert abs(levels[0] - levels[1]).max() <= 1
    encoded = [codec.encode(to_images(levels[0].astype(np.uint8))) for codec in (before, after)]
    assert abs(encoded[0] - encoded[1]).max() <= 1e-3 * page.data["statistics"]["spread"]


def test_python_writes_the_page_of_the_command(cli, small, toy, workplace):
    import aetool

    toy_image(0, 50, 100, 200).save("a.png")
    assert cli("explore", "-m", toy, "--runtime", small, "a.png", "-o", "command.html")[0] == 0
    for number, model in enumerate((toy, aetool.load(toy))):
        path = aetool.explore_page(model, f"{number}.html", "a.png", runtime=small)
        assert path.read_bytes() == Path("command.html").read_bytes()


def test_a_page_goes_to_stdout_and_into_pipes(cli, small, toy, workplace, shell):
    code, out, _ = cli("explore", "-m", toy, "--runtime", small)
    assert code == 0 and out.startswith(b"<!doctype html>") and out.endswith(b"</html>\n")
    assert cli("explore", "-m", toy, "--runtime", small, "-o", "/dev/stdout")[1] == out


def test_a_stranger_s_graph_passes_the_gate_first(cli, small, tmp_path):
    """Also that of a bank without rows, whose graphs nothing else would run."""
    path = write_kind(tmp_path / "bad", 4, n=0)
    bundle = Bundle.read(path)
    graph = bundle.files["decoder.onnx"].replace(b"Reshape", b"Unknown")
    from aetool.bundle.card import card
    from aetool.bundle.folder import write

    write(path, {**bundle.files, "decoder.onnx": graph}, card("bad", "0" * 16, bundle.manifest, False), replace=True)
    code, _, err = cli("explore", "-m", path, "--runtime", small, "-o", "page.html")
    assert code == 5 and err.count("\n") == 1 and not Path("page.html").exists()
