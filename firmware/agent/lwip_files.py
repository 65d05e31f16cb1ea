# A filesystem in RAM for boards that have none, so that a program of several files can run on them.
# Gone with the next reset, soft or hard. littlefs is what most boards with flash have, too.
import os
import vfs

BLOCK_BYTES = const(512)
_COUNT = const(4)
_SIZE = const(5)
_ERASE = const(6)


class RamDisk:
    """The block device protocol of MicroPython's `vfs` module, extended interface."""

    def __init__(self, blocks):
        self.data = bytearray(blocks * BLOCK_BYTES)

    def readblocks(self, block, buf, offset=0):
        start = block * BLOCK_BYTES + offset
        buf[:] = memoryview(self.data)[start : start + len(buf)]

    def writeblocks(self, block, buf, offset=0):
        start = block * BLOCK_BYTES + offset
        self.data[start : start + len(buf)] = buf

    def ioctl(self, op, arg):
        if op == _COUNT:
            return len(self.data) // BLOCK_BYTES
        if op == _SIZE:
            return BLOCK_BYTES
        if op == _ERASE:
            return 0


def mount(size):
    """An empty filesystem with room for `size` bytes of files at /, instead of the one before."""
    try:
        vfs.umount("/")
    except OSError:
        pass
    disk = RamDisk(size // BLOCK_BYTES * 2 + 32)
    vfs.VfsLfs2.mkfs(disk)
    vfs.mount(vfs.VfsLfs2(disk), "/")
    os.chdir("/")


def make_folders(path):
    """The folders above a file."""
    parts = path.split("/")[:-1]
    for n in range(1, len(parts) + 1):
        try:
            os.mkdir("/".join(parts[:n]))
        except OSError:
            pass
