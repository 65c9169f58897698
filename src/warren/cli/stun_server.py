"""A STUN server of a few lines, for `warren demo`: it answers Binding requests with the address it sees.

Run as `python -m warren.cli.stun_server HOST:PORT …`. For anything but a demonstration take a real one.
"""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing

from warren.aio.udp import SystemUdpSocket, open_udp_socket
from warren.cli import loop
from warren.ice import stun
from warren.ice.server_url import StunUrl
from warren.ice.transport import Address

__all__ = ["answer", "serve"]


def answer(data: bytes, source: Address) -> bytes | None:
    """Make the answer to a datagram; None to what is no Binding request (RFC 8489, 6.3)."""
    if not stun.is_stun(data):
        return None
    try:
        request = stun.parse(data)
    except stun.StunError:
        return None
    if request.method is not stun.Method.BINDING or request.cls is not stun.Class.REQUEST:
        return None
    return stun.success(request, source, None)


async def serve(addresses: Sequence[Address]) -> None:
    """Answer on these addresses until cancelled; says so on standard output once it does.

    Raises:
        OSError: an address is not ours, or in use.
    """
    running = asyncio.get_running_loop()
    with ExitStack() as stack:
        for host, port in addresses:
            sockets: list[SystemUdpSocket] = []

            def received(
                datagrams: Sequence[bytes], source: Address, sockets: list[SystemUdpSocket] = sockets
            ) -> None:
                for data in datagrams:
                    if (reply := answer(data, source)) is not None:
                        sockets[0].send(reply, source)

            sockets.append(open_udp_socket(running, host, port, received))
            stack.enter_context(closing(sockets[0]))
        print("ready", flush=True)
        await running.create_future()


if __name__ == "__main__":
    urls = [StunUrl.parse(f"stun:{argument}") for argument in sys.argv[1:]]
    try:
        loop.run(serve([(url.host, url.port) for url in urls]))
    except KeyboardInterrupt:
        sys.exit(0)
