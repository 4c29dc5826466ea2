import sys
import time
import uuid
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstream.artifacts.manifest import Address, Entry, address_of_file, manifest, read_manifest
from runstream.artifacts.root import FsspecRoot, LocalRoot, RootError, open_root
from runstream.artifacts.snapshot import SourceError


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source"
    path.write_bytes(b"content")
    return path


def nothing():
    pass


def changed():
    raise SourceError("changed")


@pytest.fixture(params=["local", "memory", "renaming"])
def opened(request, tmp_path):
    """A root of each sort, and a function from a URI to bytes, None where nothing is visible."""
    if request.param == "local":
        return SimpleNamespace(
            root=open_root(str(tmp_path / "root")),
            files=lambda: sorted(p.name for p in (tmp_path / "root").rglob("*") if p.is_file()),
        )
    fsspec = pytest.importorskip("fsspec")
    base = f"memory://{uuid.uuid4().hex}"
    root = open_root(base)
    if request.param == "renaming":
        root._atomic = False
    return SimpleNamespace(
        root=root,
        files=lambda: sorted(path.rpartition("/")[2] for path in fsspec.filesystem("memory").find(base)),
    )


@pytest.mark.parametrize("owned", [True, False])
def test_bytes_lie_under_their_digest_once(opened, source, owned):
    address = address_of_file(source)
    uris = {opened.root.put(source, address, nothing, owned=owned) for _ in range(2)}
    assert len(uris) == 1
    assert uris.pop().endswith(f"sha256/{address.sha256[:2]}/{address.sha256}")
    assert opened.files() == [address.sha256]


def test_what_changed_meanwhile_is_never_visible(opened, source):
    with pytest.raises(SourceError):
        opened.root.put(source, address_of_file(source), changed, owned=False)
    assert opened.files() == []


def test_a_half_file_under_the_final_name_is_replaced(tmp_path, source):
    address = address_of_file(source)
    final = tmp_path / "root" / address.path
    final.parent.mkdir(parents=True)
    final.write_bytes(b"con")
    LocalRoot(tmp_path / "root").put(source, address, nothing, owned=True)
    assert final.read_bytes() == b"content"


def test_a_stored_file_does_not_change_with_its_source(tmp_path, source):
    address = address_of_file(source)
    LocalRoot(tmp_path / "root").put(source, address, nothing, owned=False)
    with source.open("r+b") as file:
        file.write(b"CONTENT")
    assert (tmp_path / "root" / address.path).read_bytes() == b"content"


def test_what_a_killed_upload_left_is_removed_when_it_is_a_day_old(tmp_path):
    (tmp_path / "tmp").mkdir()
    half = tmp_path / "tmp" / "half"
    half.write_bytes(b"half")
    LocalRoot(tmp_path)
    assert half.exists()
    LocalRoot(tmp_path, now=lambda: time.time() + 90_000)
    assert not half.exists()


def test_a_root_without_fsspec_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(RootError, match=r"runstream\[artifacts\]") as caught:
        open_root("s3://user:hunter2@bucket/x")
    assert "hunter2" not in str(caught.value)


def test_an_unknown_protocol_is_refused_with_a_reason():
    with pytest.raises(RootError, match="nosuch"):
        FsspecRoot("nosuch://x", "nosuch")


entries = st.builds(
    Entry, st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 2**53), st.text("0123456789abcdef")
)


@given(st.lists(entries, unique_by=lambda entry: entry.path))
def test_equal_directories_have_equal_manifests_and_read_back(files):
    assert manifest(files) == manifest(reversed(files))
    assert read_manifest(manifest(files)) == sorted(files, key=lambda entry: entry.path)


def test_only_a_manifest_reads_as_one():
    with pytest.raises(ValueError, match="no manifest"):
        read_manifest(b"[]")
    assert Address("ab" * 32, 1).path == f"sha256/ab/{'ab' * 32}"
