"""Bugs in the node: its tables, its timers, its tasks and sockets."""

from typing import Final

from tests.scenarios.planted.mutant import Mutant

__all__ = ["NODE"]

MACHINE: Final = "session/node.py"
NODE_IO: Final = "aio/node.py"
SESSION_IO: Final = "aio/session.py"
BASES: Final = "aio/bases.py"
DRIVER: Final = "aio/driver.py"

NODE: Final = (
    Mutant(
        "new-address-is-not-bound",
        BASES,
        "            if item.address not in bound:",
        "            if not bound:",
    ),
    Mutant(
        "lost-address-stays-bound",
        BASES,
        "            del self.senders[base]\n            self._closed(base)\n",
        "            del self.senders[base]\n",
    ),
    Mutant("closed-session-stays-known", MACHINE, "        del self._sessions[peer]\n", "        pass\n"),
    Mutant(
        "earlier-deadline-is-not-armed",
        "session/timers.py",
        "if due is None or self._due.get(waiter) == due:",
        "if due is None or waiter in self._due:",
    ),
    Mutant(
        "caller-is-never-new",
        "session/callers.py",
        "        new = self._waiting.pop(caller, None) is None\n",
        "        new = self._waiting.setdefault(caller, (now, message)) is None\n",
    ),
    Mutant(
        "unknown-data-goes-to-the-only-session",
        MACHINE,
        "session = self._by_source.get((base, source))\n",
        "session = self._by_source.get((base, source)) or next(iter(self._by_source.values()), None)\n",
    ),
    Mutant(
        "task-outlives-the-node",
        NODE_IO,
        "        for task in self._tasks:\n"
        "            task.cancel()\n"
        "        await asyncio.gather(*self._tasks, return_exceptions=True)\n",
        "",
    ),
    Mutant(
        "socket-outlives-the-node",
        BASES,
        "        for sock in self._sockets.values():\n            sock.close()\n",
        "",
    ),
    Mutant(
        "timer-outlives-the-driver",
        DRIVER,
        "        self._closed = True\n        if self._timer is not None:\n",
        "        if self._timer is not None and self._closed:\n",
    ),
    Mutant(
        "driver-forgets-a-later-deadline",
        DRIVER,
        "        if due == self._due or self._readings or self._closed:\n",
        "        if self._timer is not None or due == self._due or self._readings or self._closed:\n",
    ),
    Mutant(
        "closed-session-leaves-its-reader-waiting",
        SESSION_IO,
        "        while self._receivers:\n            self._wake(self._receivers.popleft())\n",
        "",
    ),
    Mutant(
        "failed-publishing-kills-its-task",
        NODE_IO,
        "except (SignalingError, TimeoutError) as error:",
        "except TimeoutError as error:",
    ),
)
