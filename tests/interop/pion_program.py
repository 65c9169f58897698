"""The Go program in `pion/`: built once, run as a process, its agents driven by JSON lines."""

import asyncio
import base64
import functools
import json
import os
import subprocess
import sys
import threading
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from tests.interop.world import TIME, Turn
from tests.needs import program
from warren.messages import Candidate, CandidateType, Credentials, NetworkType, TCPType

__all__ = ["PionAgent", "PionProgram", "Settings", "build", "relayed_by"]

SOURCE: Final = Path(__file__).with_name("pion")
OVER: Final = ("Disconnected", "Failed")
"""States after which cunīcu throws its agent away."""


def build(modules: str = "go.mod") -> Path:
    """Build the program with the versions that a file of modules names, once; returns where it is.

    Needs the network where Go has not kept the modules from an earlier time.
    """
    with _building:
        return _build(modules)


_building = threading.Lock()


@functools.cache
def _build(modules: str) -> Path:
    target = Path(sys.prefix) / "interop" / f"pion-{modules.partition('.')[0]}"
    # Others may be running the one that is there.
    fresh = target.with_name(f"{target.name}.{os.getpid()}")
    options = [f"-modfile={modules}", f"-tags={Path(modules).stem}", "-buildvcs=false", f"-o={fresh}"]
    made = subprocess.run(
        [program("go") or "go", "build", *options, "."],
        cwd=SOURCE,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, f"the program with pion cannot be built:\n{made.stderr}"
    fresh.replace(target)
    return target


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an agent may use; see `settings` in `pion/agent.go`."""

    servers: tuple[Mapping[str, object], ...] = ()
    networks: tuple[NetworkType, ...] = (NetworkType.UDP4,)
    types: tuple[CandidateType, ...] = (CandidateType.HOST,)
    interface: str = "lo"
    listen: str = ""
    echo: bool = False


def relayed_by(server: Turn) -> Settings:
    """Let pion have no candidate but what this TURN server lends it."""
    turn = {"Scheme": 3, "Host": server.host, "Port": server.port, "Proto": 1}
    who = {"Username": server.user, "Password": server.password}
    return Settings(servers=(turn | who,), types=(CandidateType.RELAY,))


@dataclass(slots=True)
class PionAgent:
    """One agent in the program; can be what a `CunicuPeer` has.

    Args:
        found: is told of its candidates.
        lost: is told once when it is over.
        data: gets what arrives.
    """

    program: "PionProgram"
    number: int
    found: Callable[[Candidate], None]
    lost: Callable[[str], None]
    data: Callable[[bytes], None]
    candidates: list[Candidate] = field(default_factory=list)
    """Its own."""
    selected: tuple[Candidate, Candidate] | None = None
    """The local and the remote candidate of its pair."""
    states: list[tuple[str, float]] = field(default_factory=list)
    """What it was, and when (in seconds on the program's clock)."""
    pairs: list[float] = field(default_factory=list)
    """When it selected a pair."""
    arrived: int = 0
    """How many datagrams."""
    closed: bool = False

    def gather(self) -> None:
        """Look for candidates."""
        self.tell("gather")

    def start(self, remote: Credentials) -> None:
        """Begin the checks."""
        self.tell("start", ufrag=remote.ufrag, pwd=remote.pwd)

    def add_remote(self, candidate: Candidate) -> None:
        """Take a candidate of the peer."""
        told = asdict(candidate)
        wanted = ("type", "network", "tcp_type", "address", "port", "priority", "foundation")
        self.tell("candidate", candidate={name: told[name] for name in wanted})

    def send(self, data: bytes) -> bool:
        """Send over the selected pair; false where there is none."""
        if self.selected is None:
            return False
        self.tell("send", data=base64.b64encode(data).decode())
        return True

    def renominate(self, local: CandidateType) -> None:
        """Move to the pair with its candidate of this type, as the newest pion can where it controls."""
        self.tell("renominate", type=local)

    def close(self) -> None:
        """Close its sockets; what it says after that is of no interest."""
        self.closed = True
        if not self.program.restarts_in_place:
            self.tell("close")

    def tell(self, do: str, **details: Any) -> None:
        """Give it one command."""
        self.program.tell(do=do, agent=self.number, **details)

    def happened(self, event: Mapping[str, Any]) -> None:
        """Take one of its events."""
        if self.closed:
            return
        match event["event"]:
            case "candidate":
                if "candidate" in event:
                    self.candidates.append(_candidate(event["candidate"]))
                    self.found(self.candidates[-1])
            case "state":
                self.states.append((event["state"], event["at"]))
                if event["state"] in OVER:
                    self.lost(event["state"])
            case "pair":
                self.selected = _candidate(event["local"]), _candidate(event["remote"])
                self.pairs.append(event["at"])
            case "data":
                self.arrived += 1
                self.data(base64.b64decode(event["data"]))


class PionProgram:
    """The program as a process; an async context manager.

    Args:
        path: the program.
        settings: of each agent that is made in it.
        restarts_in_place: an agent that replaces another is the same one, restarted (RFC 8445, 9).
    """

    def __init__(
        self, path: Path, settings: Settings | None = None, *, restarts_in_place: bool = False
    ) -> None:
        self.restarts_in_place = restarts_in_place
        self.errors: list[str] = []
        """What went wrong in it, in words."""
        self._path = path
        self._settings = settings or Settings()
        self._agents: list[PionAgent] = []
        self._happened = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._process: Process = await asyncio.create_subprocess_exec(self._path, stdin=PIPE, stdout=PIPE)
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._process.kill()
        await self._process.wait()
        await self._reader

    def make(
        self,
        *,
        controlling: bool,
        local: Credentials,
        found: Callable[[Candidate], None],
        lost: Callable[[str], None],
        data: Callable[[bytes], None],
    ) -> PionAgent:
        """Make an agent in it."""
        again = self.restarts_in_place and bool(self._agents)
        agent = PionAgent(self, 0 if again else len(self._agents), found, lost, data)
        if again:
            self._agents[0] = agent
            agent.tell("restart", ufrag=local.ufrag, pwd=local.pwd)
        else:
            self._agents.append(agent)
            settings = asdict(self._settings)
            agent.tell("new", controlling=controlling, ufrag=local.ufrag, pwd=local.pwd, **settings)
        return agent

    def tell(self, **command: Any) -> None:
        """Write one command."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")

    async def until(self, condition: Callable[[], bool], seconds: float = TIME) -> None:
        """Wait until something that it says makes this true.

        Raises:
            AssertionError: the time was over first; the text says what was heard.
        """
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    self._happened.clear()
                    await self._happened.wait()
        except TimeoutError:
            heard = [(agent.states, agent.pairs, agent.arrived) for agent in self._agents]
            raise AssertionError(f"not in {seconds} s: errors {self.errors}, agents {heard}") from None

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            event = json.loads(line)
            if event["event"] == "error":
                self.errors.append(event["text"])
            else:
                self._agents[event["agent"]].happened(event)
            self._happened.set()


def _candidate(told: Mapping[str, Any]) -> Candidate:
    return Candidate(
        type=CandidateType(told["type"]),
        network=NetworkType(told["network"]),
        tcp_type=TCPType(told["tcp_type"]),
        address=told["address"],
        port=told["port"],
        priority=told["priority"],
        foundation=told["foundation"][:32],
    )
