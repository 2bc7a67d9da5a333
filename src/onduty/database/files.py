"""The data folder: who may look into it, whether it is fit for a database, and that one server at a time uses it."""

import fcntl
import os
import re
import shutil
import stat
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from onduty.database.refused import Refused

LOCK = "onduty.lock"

# Names in /proc/mounts of file systems whose locks or shared memory do not hold between computers, or at all.
# https://www.sqlite.org/wal.html: "WAL does not work over a network filesystem". A FUSE one is "fuse.<name>".
_NETWORK = frozenset(
    (
        *(
            "9p",
            "afs",
            "beegfs",
            "ceph",
            "cifs",
            "coda",
            "davfs",
            "gfs2",
            "glusterfs",
            "gpfs",
            "lustre",
            "ncpfs",
            "nfs",
            "nfs4",
        ),
        *("ocfs2", "orangefs", "pvfs2", "smb2", "smb3", "smbfs", "vboxsf", "wekafs"),
    )
)
_NETWORK_FUSE = frozenset(
    (
        *("blobfuse", "blobfuse2", "ceph", "ceph-fuse", "curlftpfs", "davfs", "gcsfuse", "geesefs", "glusterfs"),
        *("goofys", "gvfsd-fuse", "juicefs", "kio-fuse", "lizardfs", "mfs", "mfsmount", "moosefs", "mount-s3"),
        *("onedriver", "quobyte", "rclone", "s3fs", "seaweedfs", "sshfs", "vmhgfs-fuse"),
    )
)
_ESCAPE = re.compile(r"\\([0-7]{3})")


def network_file_system(mounts: str, path: str | Path) -> str | None:
    """The type of the network file system that `path` is on, None if it is on a local one.

    `mounts` is the text of /proc/mounts (format: proc_pid_mounts(5), fstab(5)); `path` is absolute and without links.
    """
    deepest, found = -1, ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = Path(_ESCAPE.sub(lambda match: chr(int(match[1], 8)), fields[1]))
        # Of two mounts on one point the later one covers the earlier.
        if Path(path).is_relative_to(point) and len(point.parts) >= deepest:
            deepest, found = len(point.parts), fields[2]
    kind, _, name = found.partition(".")
    network = name in _NETWORK_FUSE if kind in {"fuse", "fuseblk"} else kind in _NETWORK
    return found if network else None


def prepare_folder(folder: Path) -> None:
    """Have a data folder that only its owner may enter (0700), on a local disk, and writable. `Refused` otherwise."""
    kind = network_file_system(_mounts(), os.path.realpath(folder))
    if kind is not None:
        raise Refused(
            f"{folder} is on a network file system ({kind}), where a SQLite database breaks: use a local disk."
        )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _close_to_others(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise Refused(f"The data folder {folder} cannot be used: {error.strerror}.") from error


def _mounts() -> str:
    try:
        # Names are bytes; escaped like this they compare equal to what os gives us.
        return Path("/proc/self/mounts").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""


def _close_to_others(folder: Path) -> None:
    mode = folder.stat().st_mode
    if not stat.S_IMODE(mode) & 0o077:
        return
    # A folder that others may enter and that is full of other things (/tmp, a home) is not ours to close to them.
    foreign = any(not file.name.startswith("onduty.") for file in folder.iterdir())
    if mode & stat.S_ISVTX or (foreign and not (folder / LOCK).exists()):
        raise Refused(f"{folder} is open to other users and holds other things: give Onduty a folder of its own.")
    folder.chmod(0o700)


def make_private(file: Path) -> None:
    """Have the file, only its owner's (0600); what SQLite puts beside a database file gets the same mode. `Refused`."""
    try:
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        for each in (file, *(file.with_name(file.name + suffix) for suffix in ("-wal", "-shm", "-journal"))):
            if each.exists() and stat.S_IMODE(each.stat().st_mode) & 0o077:
                each.chmod(0o600)
    except OSError as error:
        raise Refused(f"{file} cannot be written: {error.strerror}.") from error


def remove(file: Path) -> None:
    """Remove a database file if it is there, and what SQLite kept beside it."""
    for suffix in ("", "-journal", "-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)


def leave_room(folder: Path, size: int, what: str) -> None:
    """`Refused` where the disk of the folder has not room for a copy of so many bytes and as much again."""
    if shutil.disk_usage(folder).free < 2 * size:
        raise Refused(f"{what} is not backed up: its copy would leave too little room on the disk of {folder}.")


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class AlreadyInUse(Refused):
    """Another server works on the same data. `pid` is its process id, None where it has not said yet."""

    def __init__(self, folder: Path, pid: int | None) -> None:
        self.pid = pid
        who = f"by the Onduty server with process id {pid}" if pid else "by another Onduty server"
        super().__init__(f"The data in {folder} is already in use {who}.")


class Lock:
    """The right to work on a data folder, as long as this process lives or until `release`.

    `unclean`: who had it before did not release it, a power cut or a kill came between. It stays noted in the file
    until somebody has looked at the data and says False here.
    """

    def __init__(self, descriptor: int, unclean: bool = False) -> None:
        self._descriptor: int | None = descriptor
        self.unclean = unclean

    @classmethod
    def take(cls, folder: Path) -> Self:
        """Take it. `AlreadyInUse` if another process has it, or this one; `Refused` if the folder cannot be written."""
        file = folder / LOCK
        make_private(file)
        descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            unclean = bool(os.pread(descriptor, 32, 0).strip())
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).strip()
            os.close(descriptor)
            raise AlreadyInUse(folder, int(holder) if holder.isdigit() else None) from None
        except OSError as error:
            os.close(descriptor)
            raise Refused(f"{file} cannot be locked: {error.strerror}.") from error
        return cls(descriptor, unclean)

    @staticmethod
    def holder(folder: Path) -> int | None:
        """The process id of the server that works on the folder's data, None where none does. Makes nothing."""
        try:
            descriptor = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).strip()
            return int(holder) if holder.isdigit() else None
        finally:
            os.close(descriptor)
        return None

    def release(self) -> None:
        """Give it up. The file stays: one that is removed could be locked by two at once."""
        if self._descriptor is not None:
            if not self.unclean:
                os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
