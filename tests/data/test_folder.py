"""Layouts of folders, and what is left aside."""

import os
from pathlib import Path

import pytest

from noiseloom.data.folder import Listing, list_folder
from noiseloom.errors import DataError


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def listed(root: Path, labels: bool = True, classes: tuple[str, ...] | None = None) -> Listing:
    return list_folder(root, labels=labels, classes=classes)


def rows(listing: Listing) -> list[tuple[str, int, bool]]:
    return [(file.name, file.label, file.reference) for file in listing.files]


def test_flat_folder_is_sorted_and_unlabelled(tmp_path: Path) -> None:
    touch(tmp_path, "b.png", "a.JPG", "c.jpeg")
    listing = listed(tmp_path)
    assert rows(listing) == [("a.JPG", -1, False), ("b.png", -1, False), ("c.jpeg", -1, False)]
    assert listing.class_names == ()


def test_sub_folders_are_classes_by_sorted_name(tmp_path: Path) -> None:
    touch(tmp_path, "dog/1.png", "cat/deep/er/2.png", "cat/1.png", "empty/readme.txt")
    listing = listed(tmp_path)
    assert listing.class_names == ("cat", "dog")
    assert rows(listing) == [
        ("cat/1.png", 0, False),
        ("cat/deep/er/2.png", 0, False),
        ("dog/1.png", 1, False),
    ]
    assert listed(tmp_path, labels=False).class_names == ()


@pytest.mark.parametrize("name", ["test", "val", "validation"])
def test_train_and_test_folders_are_parts(tmp_path: Path, name: str) -> None:
    touch(tmp_path, "train/a/1.png", "train/b/2.png", f"{name}/b/3.png", "loose.png")
    listing = listed(tmp_path)
    assert listing.split
    assert listing.class_names == ("a", "b")
    assert rows(listing) == [
        ("train/a/1.png", 0, False),
        ("train/b/2.png", 1, False),
        (f"{name}/b/3.png", 1, True),
    ]
    assert listing.skipped.reasons == {"outside the train and reference folders": 1}


def test_test_part_is_preferred_to_validation(tmp_path: Path) -> None:
    touch(tmp_path, "train/1.png", "val/2.png", "test/3.png")
    assert rows(listed(tmp_path)) == [("train/1.png", -1, False), ("test/3.png", -1, True)]
    assert listed(tmp_path).ignored == {"in val, where test is the reference": 1}


def test_train_folder_alone_is_looked_into(tmp_path: Path) -> None:
    touch(tmp_path, "train/a/1.png", "train/b/2.png")
    listing = listed(tmp_path)
    assert not listing.split
    assert listing.class_names == ("a", "b")


def test_class_only_in_the_reference_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "train/a/1.png", "train/b/2.png", "test/c/3.png")
    with pytest.raises(DataError, match="class 'c' in its reference part only"):
        listed(tmp_path)


def test_classes_can_be_chosen(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png", "b/2.png", "c/3.png")
    listing = listed(tmp_path, classes=("c", "a"))
    assert listing.class_names == ("a", "c")
    assert listing.ignored == {"in a class not asked for": 1}
    flat = listed(tmp_path, labels=False, classes=("c", "a"))
    assert flat.class_names == ()
    assert len(flat.files) == 2


def test_class_without_images_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "cats/1.png", "dogs/2.png")
    (tmp_path / "birds").mkdir()
    for name in ("birds", "fish"):
        with pytest.raises(DataError, match=f"'{name}', of which .* has no image. It has: cats"):
            listed(tmp_path, classes=("cats", name))
    with pytest.raises(DataError, match="Did you mean 'cats'"):
        listed(tmp_path, classes=("cat",))


def test_images_beside_class_folders_are_skipped_and_said(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png", "b/2.png", "preview.png")
    listing = listed(tmp_path)
    assert len(listing.files) == 2
    assert listing.skipped.reasons == {"outside the class folders": 1}
    assert len(listed(tmp_path, labels=False).files) == 3


def test_single_sub_folder_beside_images_is_no_class(tmp_path: Path) -> None:
    touch(tmp_path, "1.png", "2.png", "more/3.png")
    listing = listed(tmp_path)
    assert listing.class_names == ()
    assert len(listing.files) == 3
    assert "more" in listing.notes[0]


def test_hidden_files_and_other_kinds_are_counted(tmp_path: Path) -> None:
    touch(tmp_path, "1.png", ".2.png", ".git/3.png", "notes.txt", "more.TXT", "LICENSE", "x.heic")
    listing = listed(tmp_path)
    assert [file.name for file in listing.files] == ["1.png"]
    assert listing.ignored == {
        "hidden": 2,
        "not an image (.txt)": 2,
        "not an image (no suffix)": 1,
        "not an image (.heic)": 1,
    }
    assert not listing.skipped


def test_empty_files_broken_links_and_pipes_are_skipped(tmp_path: Path) -> None:
    touch(tmp_path, "1.png")
    (tmp_path / "empty.png").touch()
    (tmp_path / "broken.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / "self.png").symlink_to(tmp_path / "self.png")
    os.mkfifo(tmp_path / "pipe.png")
    listing = listed(tmp_path)
    assert [file.name for file in listing.files] == ["1.png"]
    assert listing.skipped.reasons == {"empty": 1, "unreadable": 2, "not a regular file": 1}


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere", "1.png")
    root = tmp_path / "root"
    touch(root, "a/2.png", "b/3.png")
    (root / "a" / "up").symlink_to(root)
    (root / "c").symlink_to(tmp_path / "elsewhere")
    listing = listed(root)
    assert [file.name for file in listing.files] == ["a/2.png", "b/3.png", "c/1.png"]
    assert listing.skipped.reasons == {"link to a folder above it": 1}


def test_names_that_are_not_unicode(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.png")).touch()
    assert listed(tmp_path).skipped.files == [{"file": "caf\\udce9.png", "reason": "empty"}]
    for name in (b"caf\xe9", b"tea"):
        touch(tmp_path, f"{os.fsdecode(name)}/1.png")
    (tmp_path / os.fsdecode(b"caf\xe9.png")).unlink()
    assert listed(tmp_path).class_names == ("caf\\udce9", "tea")
