"""What the tests share: a loop for each, waiting for conditions, a clean environment."""
import asyncio
import os
import unittest

DEADLINE_S = 20.0
CONTRACT = "0x" + "ab" * 20
MINE = ("NFTMESH_", "PRIVATE_KEY", "RPC_URL", "DSTACK_SOCKET", "CONTRACT_ADDRESS",
        "CONNECTION_URL")


async def until(condition):
    """Waits for a condition that the loop's own work makes true."""
    async def look():
        while not condition():
            await asyncio.sleep(0.005)
    await asyncio.wait_for(look(), DEADLINE_S)


async def ended(task):
    """Cancels a task and waits for its end."""
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return
    raise AssertionError("a cancelled task ended as if nothing had happened")


class CleanEnvironment(unittest.IsolatedAsyncioTestCase):
    """No setting of the shell that runs the tests reaches them, and none outlives its test."""

    def setUp(self):
        before = dict(os.environ)

        def restore():
            os.environ.clear()
            os.environ.update(before)
        self.addCleanup(restore)
        for name in before:
            if name.startswith(MINE) and name != "NFTMESH_LIBRARY":
                del os.environ[name]


def files_and_threads():
    """(open descriptors, threads) of this process."""
    return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))
