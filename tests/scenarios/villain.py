"""A peer that is allowed and means harm: it says what it likes, points at others, and keeps to no rule."""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Final

from warren.errors import SignalingError
from warren.ice import stun
from warren.ice.stun import Attribute, Class, Method
from warren.ice.transport import Address
from warren.keys import KeyPair, PrivateKey, PublicKey, PublicKeyPair
from warren.messages import Candidate, CandidateType, Credentials, Message, NetworkType, SessionDescription
from warren.sansio import Dice
from warren.signaling.backend import CarrierBackend
from warren.testing.host import SimHost
from warren.testing.signaling import SimCarrier

__all__ = ["EVIL", "NOWHERE", "VICTIMS", "VILLAIN", "WILES", "Villain"]

WILES: Final = (
    "victims",
    "nowhere",
    "flood",
    "binds",
    "refuses",
    "fickle",
    "lies",
    "plain",
    "checks",
    "data",
)
"""What a villain can do; a seed draws some of them."""

VILLAIN: Final = "203.0.113.70"
VICTIMS: Final = tuple(f"192.0.2.{number}" for number in range(1, 9))
NOWHERE: Final = ("224.0.0.251", "255.255.255.255", "127.0.0.1", "0.0.0.0", "240.0.0.1")
"""Where no peer may send anything, whoever says so."""

EVIL: Final = "evil"
"""How its ufrags begin."""
PWD: Final = "password" * 3
PORTS: Final = 40
WORDS: Final = 250
"""How many messages it has, floods not counted."""
DEEDS: Final = 40
FLOOD: Final = 500
DATAGRAMS: Final = 1500
CODES: Final = (400, 401, 420, 487, 500)


@dataclass(frozen=True, slots=True)
class _Heard:
    """What a target has said last."""

    f: int
    credentials: Credentials
    places: tuple[Address, ...]
    """Where it says that it is; what comes by a relay may come over TCP, and each packet is acknowledged."""


@dataclass
class _Guise:
    """A generation that it claims to have."""

    f: int
    ufrag: str
    revision: int = 0


class Villain:
    """Acts until its deeds are done or it is stopped."""

    def __init__(
        self, host: SimHost, carrier: SimCarrier, key: PrivateKey, wiles: tuple[str, ...], dice: Dice
    ) -> None:
        self.public = key.public
        self.targets: list[PublicKey] = []
        """Whom it harms."""
        self._wiles, self._dice, self._key = wiles, dice, key
        self._backend = CarrierBackend(carrier, random_bytes=dice.randbytes, dice=dice)
        self._sockets = [host.bind(VILLAIN, 0, partial(self._packet, number)) for number in range(PORTS)]
        self._heard: dict[PublicKey, _Heard] = {}
        self._guises: dict[PublicKey, _Guise] = {}
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._words, self._deeds, self._big = WORDS, DEEDS, ["flood", "data"]
        self._active = True

    async def begin(self) -> None:
        """Listen to everybody, and act."""
        await self._backend.subscribe(KeyPair(self._key, None), self._hear)
        self._act()

    def stop(self) -> None:
        """Do and answer nothing any more."""
        self._active = False
        if self._timer is not None:
            self._timer.cancel()

    async def aclose(self) -> None:
        """Leave nothing behind."""
        self.stop()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._backend.aclose()
        for socket in self._sockets:
            socket.close()

    def _chance(self, share: float) -> bool:
        return self._dice.random() < share

    def _below(self, stop: int) -> int:
        return int(self._dice.random() * stop)

    def _act(self) -> None:
        target = self.targets[self._below(len(self.targets))]
        deed = self._wiles[self._below(len(self._wiles))]
        if deed in self._big:
            self._big.remove(deed)
            getattr(self, f"_{deed}")(target)
        elif deed == "checks":
            self._check(target, 40)
        else:
            self._speak(target, 0 if self._chance(0.5) else None)
        self._deeds -= 1
        if self._deeds:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._dice.uniform(0.02, 0.6), self._act)

    # Words

    def _hear(self, pair: PublicKeyPair, message: Message) -> None:
        if message.credentials is None or pair.theirs is None or not self._active:
            return
        said = message.session
        f, candidates = (0, ()) if said is None else (said.session_id, said.candidates)
        direct = (one for one in candidates if one.type is not CandidateType.RELAY)
        places = tuple(one.transport for one in direct if one.network is NetworkType.UDP4)
        self._heard[pair.theirs] = _Heard(f, message.credentials, places)
        self._speak(pair.theirs, f)
        if self._chance(0.3):
            self._check(pair.theirs, 3)

    def _speak(self, target: PublicKey, t: int | None) -> None:
        """Say something of a generation, new or not, to the target's generation t, or the last one heard."""
        if not self._words:
            return
        self._words -= 1
        if t is None:
            t = heard.f if (heard := self._heard.get(target)) is not None else 0
        guise = self._guises.get(target)
        if guise is None or not {"binds", "refuses"}.isdisjoint(self._wiles) or self._chance(0.1):
            guise = self._guises[target] = self._guise()
        if "plain" in self._wiles:
            # Only who never said anything else is taken for one that knows no field 100.
            credentials = Credentials(guise.ufrag, PWD, self._chance(0.5))
            self._publish(target, Message(credentials=credentials, candidate=self._candidate()))
        else:
            self._publish(target, self._description(target, guise, t))

    def _guise(self) -> _Guise:
        f = 1 + self._below(2**60)
        return _Guise(f, f"{EVIL}{f}")

    def _description(self, target: PublicKey, guise: _Guise, t: int) -> Message:
        guise.revision += 1
        revision, ended = guise.revision, "refuses" in self._wiles
        if "lies" in self._wiles:
            revisions = (1 + self._below(revision), 2**32 - 1, revision)
            revision, ended = revisions[self._below(3)], self._chance(0.5)
        description = SessionDescription(
            sender=self.public, recipient=target, session_id=guise.f, peer_session_id=t,
            candidates=tuple(self._candidate() for _ in range(1 if "refuses" in self._wiles else 32)),
            end_of_candidates=ended, revision=revision, peer_revision=self._below(2**32),
            wants_answer=self._chance(0.7),
        )  # fmt: skip
        return Message(credentials=Credentials(guise.ufrag, PWD, self._chance(0.5)), session=description)

    def _candidate(self) -> Candidate:
        address, port = VILLAIN, self._sockets[self._below(PORTS)].local[1]
        if "victims" in self._wiles and self._chance(0.8):
            address, port = VICTIMS[self._below(len(VICTIMS))], 1 + self._below(100)
        elif "nowhere" in self._wiles and self._chance(0.8):
            address, port = NOWHERE[self._below(len(NOWHERE))], 1 + self._below(100)
        kinds = (CandidateType.HOST, CandidateType.SERVER_REFLEXIVE, CandidateType.RELAY)
        return Candidate(
            type=kinds[self._below(3)], network=NetworkType.UDP4, address=address, port=port,
            priority=self._below(2**32), foundation="x" * 32,
        )  # fmt: skip

    def _flood(self, target: PublicKey) -> None:
        for _ in range(FLOOD):
            self._publish(target, self._description(target, self._guise(), 0))

    def _publish(self, target: PublicKey, message: Message) -> None:
        task = asyncio.get_running_loop().create_task(self._publish_one(target, message))
        self._tasks[task] = None
        task.add_done_callback(lambda task: self._tasks.pop(task, None))

    async def _publish_one(self, target: PublicKey, message: Message) -> None:
        try:
            async with asyncio.timeout(10.0):
                await self._backend.publish(KeyPair(self._key, target), message)
        except (SignalingError, TimeoutError):
            pass

    # Packets

    def _packet(self, socket: int, data: bytes, source: Address) -> None:
        try:
            request = stun.parse(data)
        except stun.StunError:
            return
        if (
            not self._active
            or request.cls is not Class.REQUEST
            or ("fickle" in self._wiles and self._chance(0.5))
        ):
            return
        key = stun.prepare_key(PWD)
        if "refuses" in self._wiles:
            answer = stun.error(request, CODES[self._below(len(CODES))], "No", key)
        else:
            answer = stun.success(request, source if self._chance(0.7) else (VICTIMS[0], 1), key)
        self._sockets[socket if self._chance(0.9) else self._below(PORTS)].send(answer, source)

    def _check(self, target: PublicKey, count: int) -> None:
        """Check the target from anywhere, in any role, nominating with any value."""
        for _ in range(count if target in self._heard else 0):
            heard, guise = self._heard[target], self._guises.get(target)
            ufrag = guise.ufrag if guise is not None and self._chance(0.5) else f"{EVIL}{self._below(100)}"
            number = self._below(2**32).to_bytes(4, "big")
            attributes = [(int(Attribute.USERNAME), f"{heard.credentials.ufrag}:{ufrag}".encode())]
            for kind, value in (
                (Attribute.PRIORITY, number),
                (Attribute.ICE_CONTROLLING, self._dice.randbytes(8)),
                (Attribute.ICE_CONTROLLED, self._dice.randbytes(8)),
                (Attribute.USE_CANDIDATE, b""),
                (Attribute.NOMINATION, number),
            ):
                if self._chance(0.7):
                    attributes.append((int(kind), value))
            key = stun.prepare_key(heard.credentials.pwd if self._chance(0.9) else PWD)
            data = stun.build(Method.BINDING, Class.REQUEST, self._dice.randbytes(12), attributes, key)
            self._send(heard, data)

    def _data(self, target: PublicKey) -> None:
        if (heard := self._heard.get(target)) is not None:
            for _ in range(DATAGRAMS):
                self._send(heard, b"what nobody has asked for")

    def _send(self, heard: _Heard, data: bytes) -> None:
        if heard.places:
            place = heard.places[self._below(len(heard.places))]
            self._sockets[self._below(PORTS)].send(data, place)
