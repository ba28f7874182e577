"""Each name and each kind of file gives Interactions, and what cannot be read is refused by its name."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import socket
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from enterprise_recsys.data import downloads
from enterprise_recsys.data.downloads import ARCHIVES, Archive, fetch, find
from enterprise_recsys.data.sources import SOURCES, fetched, origin, read
from enterprise_recsys.errors import DataError

REAL = Path(os.environ.get("RECSYS_DATA") or "../shared/data")
CSV = "user_id,item_id,timestamp,rating\n007,x,10,4\n8,y,20,5\n"


def real(name: str) -> Path:
    """The real set's folder; the test is skipped where it is absent."""
    if not (REAL / name).is_dir():
        pytest.skip(f"MovieLens {name} is not in RECSYS_DATA")
    return REAL / name


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home and an empty RECSYS_DATA, and no proxy between us and this machine."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RECSYS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / "home"


SMALL = {
    "ml-100k": {
        "u.data": "1\t10\t5\t881250949\n2\t11\t3\t891717742\n1\t12\t1\t881250950\n",
        "u.user": "1|24|M|technician|85711\n2|53|F|other|T8H1N\n",
        "u.genre": "unknown|0\nAction|1\nComedy|2\n\n",
        "u.item": "10|Toy Story (1995)|01-Jan-1995||http://a|0|1|1\n11|Café|02-Feb-1996||http://b|1|0|0\n"
        "12|unknown||||0|0|0\n",
    },
    "ml-1m": {
        "ratings.dat": "1::10::5::978300760\n2::11::3::978302109\n",
        "users.dat": "1::F::1::10::48067\n2::M::56::16::70072\n",
        "movies.dat": "10::Toy Story (1995)::Animation|Comedy\n11::Misérables, Les (1998)::Drama\n",
    },
    "ml-latest-small": {
        "ratings.csv": "userId,movieId,rating,timestamp\n1,10,4.5,964982703\n",
        "movies.csv": 'movieId,title,genres\n10,"Show, The (2006–2007)",Drama|War\n11,Café,(no genres listed)\n',
    },
}


def write(folder: Path, name: str) -> Path:
    """A tiny set in the form of the real one."""
    folder.mkdir(parents=True)
    for file, text in SMALL[name].items():
        (folder / file).write_bytes(text.encode("utf-8" if name == "ml-latest-small" else "latin-1"))
    return folder


# MovieLens -------------------------------------------------------------------------------------------------------


def test_ml_100k_is_read_with_users_and_items(tmp_path: Path) -> None:
    got = read("ml-100k", folder=write(tmp_path / "set", "ml-100k"))
    assert got.name == "ml-100k"
    assert got.events.select("user_id", "item_id", "rating").row(0) == ("1", "10", 5.0)
    assert got.events["timestamp"].dt.epoch("s").to_list() == [881250949, 891717742, 881250950]
    assert got.users is not None and got.items is not None
    assert got.users.select("user_id", "user_gender", "user_age", "user_occupation", "user_zip").rows() == [
        ("1", "M", 24, "technician", "857"),
        ("2", "F", 53, "other", "T8H"),
    ]
    assert got.items.select("item_id", "item_title", "item_genres", "item_year").rows() == [
        ("10", "Toy Story (1995)", ["Action", "Comedy"], 1995),
        ("11", "Café", ["unknown"], 1996),
        ("12", "unknown", [], None),
    ]


def test_ml_1m_is_read_with_users_and_items(tmp_path: Path) -> None:
    got = read("ml-1m", folder=write(tmp_path / "set", "ml-1m"))
    assert got.events.drop("timestamp").rows() == [("1", "10", 5.0), ("2", "11", 3.0)]
    assert got.users is not None and got.items is not None
    assert got.users.select("user_id", "user_gender", "user_age", "user_occupation", "user_zip").rows() == [
        ("1", "F", "under 18", "10", "480"),
        ("2", "M", "56 and over", "16", "700"),
    ]
    assert got.items.rows() == [
        ("10", "Toy Story (1995)", ["Animation", "Comedy"], 1995),
        ("11", "Misérables, Les (1998)", ["Drama"], 1998),
    ]


def test_ml_latest_small_is_read_with_items(tmp_path: Path) -> None:
    got = read("ml-latest-small", folder=write(tmp_path / "set", "ml-latest-small"))
    assert got.users is None and got.items is not None
    assert got.events.drop("timestamp").rows() == [("1", "10", 4.5)]
    assert got.items.rows() == [("10", "Show, The (2006–2007)", ["Drama", "War"], 2006), ("11", "Café", [], None)]


def test_a_damaged_movielens_file_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "set", "ml-1m")
    (folder / "users.dat").write_text("1::F\n")
    with pytest.raises(DataError, match=r"users.dat cannot be read: .*; right is 5 columns with '::' between"):
        read("ml-1m", folder=folder)


def test_a_given_table_replaces_the_one_of_the_named_source(tmp_path: Path) -> None:
    folder = write(tmp_path / "set", "ml-1m")
    (tmp_path / "users.csv").write_text("user_id,team\n1,red\n")
    got = read("ml-1m", folder=folder, users=tmp_path / "users.csv")
    assert got.users is not None and got.users.rows() == [("1", "red")]
    assert got.items is not None and got.items.height == 2


def test_movielens_is_looked_for_in_recsys_data_and_then_in_the_cache(home: Path, tmp_path: Path) -> None:
    cached = write(home / ".cache" / "enterprise_recsys" / "ml-1m", "ml-1m")
    assert find("ml-1m", None) == cached
    (tmp_path / "data" / "ml-1m").mkdir(parents=True)  # a folder without its files is passed over
    assert find("ml-1m", None) == cached
    (tmp_path / "data" / "ml-1m").rmdir()
    assert find("ml-1m", None) != write(tmp_path / "data" / "ml-1m", "ml-1m")
    assert find("ml-1m", None) == tmp_path / "data" / "ml-1m"


def test_an_absent_movielens_says_where_it_looked_the_licence_and_the_flag(home: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read("ml-1m")
    assert str(caught.value) == (
        "ml-1m is not on this machine; looked for ratings.dat, movies.dat, users.dat in "
        f"{tmp_path / 'data' / 'ml-1m'} and {home / '.cache' / 'enterprise_recsys' / 'ml-1m'}. "
        "Fetch it with --download (download=True); "
        "GroupLens lets you use it for research and not pass it on; its README says all terms."
    )
    with pytest.raises(DataError, match=f"in {tmp_path / 'mine'}. Fetch"):
        read("ml-1m", folder=tmp_path / "mine")


def test_without_recsys_data_the_shared_folder_beside_the_project_is_looked_in(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RECSYS_DATA")
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    write(tmp_path / "shared" / "data" / "ml-1m", "ml-1m")
    assert find("ml-1m", None) == Path("../shared/data/ml-1m")


def test_the_official_checksums_are_the_published_ones() -> None:
    assert {name: f"{archive.algorithm} {archive.digest}" for name, archive in ARCHIVES.items()} == {
        "ml-100k": "md5 0e33842e24a9c977be4e0107933c0723",
        "ml-1m": "md5 c4d9eecfca2ab87c1945afe126590906",
        "ml-10m": "md5 ce571fd55effeba0271552578f2648bd",
        "ml-20m": "md5 cd245b17a1ae2cc31bb14903e1204af3",
        "ml-25m": "md5 6b51fb2759a8657d3bfcbfc42b592ada",
        "ml-32m": "md5 d472be332d4daa821edc399621853b57",
        "ml-latest": "sha256 ",
        "goodbooks-10k": "sha256 ",
        "ml-latest-small": "sha256 696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436",
    }


# Download --------------------------------------------------------------------------------------------------------


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


def packed() -> bytes:
    """An archive with what we read, what we do not, and an entry that wants to be written elsewhere."""
    made = io.BytesIO()
    texts = {f"ml-1m/{file}": text.encode("latin-1") for file, text in SMALL["ml-1m"].items()}
    texts |= {"ml-1m/README": b"terms", "ml-1m/other": b"not read", "../../evil": b"escaped"}
    with zipfile.ZipFile(made, "w") as content:
        for name, text in texts.items():  # entries with the time of now would give other bytes every two seconds
            content.writestr(zipfile.ZipInfo(name), text)
    return made.getvalue()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server on this machine in place of GroupLens, with a small archive that passes for the official one."""
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "ml-1m.zip").write_bytes(packed())
    digest = hashlib.sha256(packed()).hexdigest()
    made = Archive(ARCHIVES["ml-1m"].files, "README", "sha256", digest)
    monkeypatch.setattr(downloads, "ARCHIVES", {**ARCHIVES, "ml-1m": made})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "www"))) as listening:
        monkeypatch.setattr(downloads, "MOVIELENS_URL", f"http://127.0.0.1:{listening.server_port}")
        threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
        yield
        listening.shutdown()


def left(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.usefixtures("server")
def test_a_download_is_checked_unpacked_and_kept_in_the_cache(home: Path, tmp_path: Path) -> None:
    before = left(tmp_path)
    got = read("ml-1m", download=True)
    assert got.events.height == 2
    place = ".cache/enterprise_recsys/ml-1m"
    assert left(home) == [f"{place}/{file}" for file in ("README", "movies.dat", "ratings.dat", "users.dat")]
    assert sorted(set(left(tmp_path)) - set(before)) == [f"home/{file}" for file in left(home)]  # no evil
    (tmp_path / "www" / "ml-1m.zip").unlink()
    assert_frame_equal(read("ml-1m", download=True).events, got.events)  # from the cache


@pytest.mark.usefixtures("server")
def test_a_download_into_a_folder_of_ones_own_may_find_it_empty(home: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert read("ml-1m", folder=tmp_path / "mine", download=True).events.height == 2
    assert not home.exists()


@pytest.mark.usefixtures("server")
def test_a_wrong_checksum_is_refused_before_unpacking_and_nothing_is_left(home: Path, tmp_path: Path) -> None:
    (tmp_path / "www" / "ml-1m.zip").write_bytes(packed()[:-1])
    with pytest.raises(
        DataError, match=r"ml-1m.zip has the sha256 \w{64}, and not \w{64}; nothing was kept. Try again"
    ):
        read("ml-1m", download=True)
    assert left(home) == []
    assert list((home / ".cache" / "enterprise_recsys").iterdir()) == []


@pytest.mark.usefixtures("server", "home")
def test_a_folder_with_other_files_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary").write_text("dear")
    with pytest.raises(DataError, match="mine holds other files than ml-1m; remove it, or give another folder"):
        fetch("ml-1m", tmp_path / "mine")
    assert left(tmp_path / "mine") == ["diary"]


def test_offline_says_so_and_how_to_do_it_by_hand(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:  # bound and not listening: a connection is refused
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setattr(downloads, "MOVIELENS_URL", f"http://127.0.0.1:{closed.getsockname()[1]}")
        with pytest.raises(DataError) as caught:
            read("ml-1m", download=True)
    message = str(caught.value)
    assert "/ml-1m.zip cannot be downloaded: " in message and "Is this machine offline? By hand: fetch that" in message
    assert f"unpack it into {home / '.cache' / 'enterprise_recsys' / 'ml-1m'}; GroupLens" in message
    assert left(home) == []


@pytest.mark.usefixtures("server")
def test_an_archive_that_the_server_does_not_have_is_refused(home: Path) -> None:
    with pytest.raises(DataError, match=r"ml-100k.zip cannot be downloaded: HTTP Error 404"):
        read("ml-100k", download=True)
    assert left(home) == []


@pytest.mark.usefixtures("server", "home")
def test_a_set_is_fetched_before_it_is_prepared_and_to_the_place_that_is_named(tmp_path: Path) -> None:
    fetched("ml-1m")
    assert [path.name for path in origin("ml-1m")] == list(ARCHIVES["ml-1m"].files)
    assert all(path.is_file() for path in origin("ml-1m"))
    fetched(f"ml-1m:{tmp_path / 'mine'}")
    assert origin(f"ml-1m:{tmp_path / 'mine'}") == [tmp_path / "mine"]
    assert (tmp_path / "mine" / "ratings.dat").is_file()
    fetched("world")  # nothing to fetch


class Breaking(Quiet):
    """Breaks the first answer off in the middle, and can go on from any byte."""

    asked: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        """Answer with a whole file, half of one, or its rest."""
        body, wanted = packed(), self.headers.get("Range")
        self.asked.append(wanted)
        begin = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(body) - begin))
        self.end_headers()
        self.wfile.write(body[begin:] if begin else body[: len(body) // 2])


@pytest.mark.usefixtures("server")
def test_a_download_that_breaks_off_goes_on_where_it_was_and_shows_nothing_before(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Breaking.asked.clear()
    cache = home / ".cache" / "enterprise_recsys"
    with ThreadingHTTPServer(("127.0.0.1", 0), Breaking) as listening:
        monkeypatch.setattr(downloads, "MOVIELENS_URL", f"http://127.0.0.1:{listening.server_port}")
        threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
        half = len(packed()) // 2
        with pytest.raises(DataError, match=f"broke off after {half:,} of .*are kept, and the next try goes on"):
            read("ml-1m", download=True)
        assert [path.name for path in cache.iterdir()] == [".ml-1m.zip.part"]
        assert read("ml-1m", download=True).events.height == 2
        listening.shutdown()
    assert Breaking.asked == [None, f"bytes={half}-"]
    assert [path.name for path in cache.iterdir()] == ["ml-1m"]


@pytest.mark.usefixtures("server")
def test_an_archive_without_a_published_checksum_is_held_to_its_own_and_told(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(downloads, "ARCHIVES", {"ml-1m": Archive(ARCHIVES["ml-1m"].files, "README", "sha256", "")})
    with caplog.at_level("INFO", logger="enterprise_recsys"):
        assert read("ml-1m", download=True).events.height == 2
    assert hashlib.sha256(packed()).hexdigest() in caplog.text
    damaged = bytearray(packed())
    damaged[60] ^= 255
    (tmp_path / "www" / "ml-1m.zip").write_bytes(bytes(damaged))
    with pytest.raises(DataError, match="ml-1m.zip is damaged: .*nothing was kept"):
        fetch("ml-1m", tmp_path / "again")
    assert not (tmp_path / "again").exists()


@pytest.mark.usefixtures("server", "home")
def test_an_archive_that_lacks_a_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "ARCHIVES", {"ml-1m": Archive(("gone.dat",), "README", "sha256", "")})
    with pytest.raises(DataError, match="ml-1m.zip holds no gone.dat; right is the official archive. Nothing was kept"):
        fetch("ml-1m", tmp_path / "mine")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["www"]


# Files of your own -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet"])
def test_a_file_is_read_by_its_ending_and_ids_keep_their_zeros(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"clicks{ending}"
    if ending == ".parquet":
        pl.read_csv(CSV.encode(), schema_overrides={"user_id": pl.String}).write_parquet(path)
    else:
        raw = CSV.replace(",", "\t" if "tsv" in ending else ",").encode()
        path.write_bytes(gzip.compress(raw) if ending.endswith(".gz") else raw)
    got = read(str(path))
    assert got.name == path.name
    assert got.events.drop("timestamp").rows() == [("007", "x", 4.0), ("8", "y", 5.0)]
    assert_frame_equal(SOURCES["parquet" if ending == ".parquet" else "csv"](path).events, got.events)


def test_a_folder_of_parquet_files_is_read_in_order_of_name(tmp_path: Path) -> None:
    frame = pl.read_csv(CSV.encode())
    (tmp_path / "clicks" / "day=2").mkdir(parents=True)
    frame.tail(1).write_parquet(tmp_path / "clicks" / "day=2" / "part.parquet")
    frame.head(1).write_parquet(tmp_path / "clicks" / "a.parquet")
    assert read(str(tmp_path / "clicks")).events["item_id"].to_list() == ["x", "y"]


def test_columns_rename_and_renamed_ids_keep_their_zeros(tmp_path: Path) -> None:
    (tmp_path / "clicks.csv").write_text(CSV.replace("user_id", "who"))
    assert read(str(tmp_path / "clicks.csv"), columns={"who": "user_id"}).events["user_id"][0] == "007"


def test_tables_beside_a_log_are_read_and_bars_become_lists(tmp_path: Path) -> None:
    (tmp_path / "clicks.csv").write_text(CSV)
    (tmp_path / "items.csv").write_text(
        "movieId,genres,title,codes,plain\nx,Drama|War,Life | Death,a||b,p\ny,War,Plain,c,q\nz,,Z,,r\n"
    )
    pl.DataFrame({"user_id": ["8"], "age": [3]}).write_parquet(tmp_path / "users.parquet")
    got = read(str(tmp_path / "clicks.csv"), users=tmp_path / "users.parquet", items=tmp_path / "items.csv")
    assert got.users is not None and got.users.rows() == [("8", 3)]
    assert got.items is not None and got.items.rows() == [
        ("x", ["Drama", "War"], "Life | Death", "a||b", "p"),
        ("y", ["War"], "Plain", "c", "q"),
        ("z", None, "Z", None, "r"),
    ]


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(DataError) as caught:
        read("ml-1n")
    assert str(caught.value) == (
        "data='ml-1n' is neither a known source nor a file that exists; did you mean 'ml-1m'? "
        f"Known: {', '.join(sorted(SOURCES))}, or give the path of a .csv, .tsv or .parquet file."
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.csv", b"", "empty.csv is empty; give a file with a header and at least one row"),
        ("blank.csv", b" \n", "blank.csv is empty"),
        (
            "header.csv",
            b"user_id,item_id,timestamp\n",
            "header.csv holds no rows; found columns: user_id, item_id, tim",
        ),
        ("binary.csv", b"\x89PNG\0\0\xff\xfe", "binary.csv cannot be read: it is binary; right is a CSV file in UTF-8"),
        ("latin.csv", CSV.replace("x", "é").encode("latin-1"), "latin.csv cannot be read: .*UTF-8"),
        ("twice.csv", b"user_id,user_id\n1,2\n", "twice.csv cannot be read: two columns are named 'user_id'; right is"),
        ("ragged.csv", CSV.encode() + b"1,2,3,4,5,6\n", "ragged.csv cannot be read: .*; right is a CSV file"),
        ("broken.csv.gz", b"not gzip", "broken.csv.gz cannot be read: .*; give a readable"),
        ("half.csv.gz", gzip.compress(CSV.encode(), mtime=0)[:-12], "half.csv.gz cannot be read: "),
        ("text.parquet", CSV.encode(), "text.parquet cannot be read: .*; right is Parquet, and all files of a folder"),
        ("empty.parquet", b"", "empty.parquet cannot be read: "),
        (
            "log.xlsx",
            b"PK",
            "log.xlsx has an unknown ending; known are .csv, .tsv, .csv.gz, .tsv.gz, .txt, .dat, .parquet, ",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read(str(tmp_path / name))


def test_a_parquet_file_without_rows_is_named(tmp_path: Path) -> None:
    pl.read_csv(CSV.encode()).clear().write_parquet(tmp_path / "none.parquet")
    with pytest.raises(DataError, match="none.parquet holds no rows; found columns: user_id"):
        read(str(tmp_path / "none.parquet"))


def test_a_folder_without_parquet_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the folder .* holds no .parquet file; give a folder that does, or a file"):
        read(str(tmp_path))


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "clicks.csv").write_text(CSV)
    with pytest.raises(DataError, match="users.csv does not exist; give the path of a .csv, .tsv or .parquet file"):
        read(str(tmp_path / "clicks.csv"), users=tmp_path / "users.csv")


@pytest.mark.parametrize("name", ["csv", "parquet"])
def test_a_source_of_files_without_a_file_says_what_it_needs(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"the source '{name}' needs a path and got none; give the file's path as data"):
        read(name)
    with pytest.raises(DataError, match=f"gone.{name} does not exist; give the path of a {name} file"):
        read(name, folder=tmp_path / f"gone.{name}")


def test_the_made_world_needs_no_file() -> None:
    got = read("world")
    assert got.events["user_id"].n_unique() > 1000
    assert_frame_equal(got.events, read("world").events)


# The real sets ---------------------------------------------------------------------------------------------------


def test_the_real_ml_1m_has_its_published_counts() -> None:
    got = read("ml-1m", folder=real("ml-1m"))
    assert (got.events.height, got.events["user_id"].n_unique(), got.events["item_id"].n_unique()) == (
        1000209,
        6040,
        3706,
    )
    assert got.users is not None and got.items is not None
    assert (got.users.height, got.items.height) == (6040, 3883)
    assert got.users["user_age"].n_unique() == 7
    assert got.items["item_year"].null_count() == 0
    stars = got.events["rating"].value_counts().sort("rating")["count"].to_list()
    assert stars == [56174, 107557, 261197, 348971, 226310]


def test_the_real_ml_100k_has_its_published_counts() -> None:
    got = read("ml-100k", folder=real("ml-100k"))
    assert (got.events.height, got.events["user_id"].n_unique(), got.events["item_id"].n_unique()) == (
        100000,
        943,
        1682,
    )
    assert got.events["rating"].sum() == 352986
    seconds = got.events["timestamp"].dt.epoch("s")
    assert (seconds.min(), seconds.max()) == (874724710, 893286638)


def test_the_real_ml_latest_small_has_its_published_counts() -> None:
    got = read("ml-latest-small", folder=real("ml-latest-small"))
    assert (got.events.height, got.events["user_id"].n_unique(), got.events["item_id"].n_unique()) == (
        100836,
        610,
        9724,
    )
