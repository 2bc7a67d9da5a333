"""The data folder: on a local disk, closed to others, and one server's at a time."""

import os
import signal
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from onduty.database import files, sqlite
from onduty.database.files import AlreadyInUse, Lock, make_private, network_file_system, prepare_folder
from onduty.database.refused import Refused

MOUNTS = r"""sysfs /sys sysfs rw,nosuid 0 0
/dev/vda / ext4 rw,relatime 0 0
tmpfs /tmp tmpfs rw 0 0
server:/export /home nfs4 rw,vers=4.2 0 0
/dev/vdb /home/ann/disk ext4 rw 0 0
//nas/share /mnt/our\040files cifs rw 0 0
ann@host: /mnt/ssh fuse.sshfs rw 0 0
/dev/sdb1 /mnt/stick fuseblk rw 0 0
bucket /mnt/bucket fuse.s3fs rw 0 0
host /mnt/shared 9p rw 0 0
overlay /srv overlay rw 0 0
server:/v /srv/v glusterfs rw 0 0
gluster /srv/g fuse.glusterfs rw 0 0
auto /net autofs rw 0 0
server:/old /covered nfs rw 0 0
/dev/vdc /covered xfs rw 0 0
/dev/vdd /twice xfs rw 0 0
server:/new /twice nfs rw 0 0
not a mount
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", None),
        ("/var/lib/onduty", None),
        ("/tmp/x", None),
        ("/home/ann/.local/share/onduty", "nfs4"),
        ("/home", "nfs4"),
        ("/homeless", None),
        ("/home/ann/disk/onduty", None),
        ("/home/ann/disks", "nfs4"),
        ("/mnt/our files/onduty", "cifs"),
        ("/mnt/our", None),
        ("/mnt/ssh/x", "fuse.sshfs"),
        ("/mnt/stick/x", None),
        ("/mnt/bucket", "fuse.s3fs"),
        ("/mnt/shared/x", "9p"),
        ("/srv/x", None),
        ("/srv/v/x", "glusterfs"),
        ("/srv/g/x", "fuse.glusterfs"),
        ("/net/x", None),
        ("/covered/x", None),
        ("/twice/x", "nfs"),
    ],
)
def test_network_file_systems(path: str, kind: str | None) -> None:
    assert network_file_system(MOUNTS, path) == kind


def test_no_mounts_means_local() -> None:
    assert network_file_system("", "/data") is None


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_folder_and_its_files_are_closed_to_others(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        folder = tmp_path / "a" / "data"
        prepare_folder(folder)
        database = folder / "onduty.sqlite3"
        make_private(database)
        with Lock.take(folder), closing(sqlite.connect(database)) as connection:
            connection.execute("CREATE TABLE t (x)")
            found = {file.name: mode(file) for file in folder.iterdir()}
    finally:
        os.umask(old)
    assert mode(folder) == 0o700
    assert found == dict.fromkeys(["onduty.lock", "onduty.sqlite3", "onduty.sqlite3-wal", "onduty.sqlite3-shm"], 0o600)


def test_what_stood_open_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)
    (folder / "onduty.toml").touch()
    prepare_folder(folder)
    assert mode(folder) == 0o700
    for name in ("x", "x-wal"):
        (folder / name).touch(0o644)
    make_private(folder / "x")
    assert [mode(folder / name) for name in ("x", "x-wal")] == [0o600, 0o600]


def test_a_folder_full_of_other_things_is_not_ours_to_close(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    folder.mkdir(mode=0o755)
    (folder / "letter").touch()
    with pytest.raises(Refused, match="of its own"):
        prepare_folder(folder)
    assert mode(folder) == 0o755
    folder.chmod(0o700)
    prepare_folder(folder)


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "under", Path("/proc/onduty")):
        with pytest.raises(Refused, match="cannot be used"):
            prepare_folder(folder)


def test_a_network_file_system_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_mounts", lambda: f"server:/x {tmp_path} nfs rw 0 0\n")
    with pytest.raises(Refused, match="nfs"):
        prepare_folder(tmp_path / "data")
    assert not (tmp_path / "data").exists()


HOLDER = """
import sys
from pathlib import Path
from onduty.database.files import Lock
lock = Lock.take(Path(sys.argv[1]))
print("taken", flush=True)
sys.stdin.read()
"""


def test_a_second_server_is_told_the_firsts_pid(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "taken\n"
        with pytest.raises(AlreadyInUse, match=str(child.pid)) as refusal:
            Lock.take(tmp_path)
        assert refusal.value.pid == child.pid
        child.send_signal(signal.SIGKILL)
    with Lock.take(tmp_path):
        assert (tmp_path / "onduty.lock").read_text() == f"{os.getpid()}\n"
        with pytest.raises(AlreadyInUse):
            Lock.take(tmp_path)
    with Lock.take(tmp_path):
        pass
