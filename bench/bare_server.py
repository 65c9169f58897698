"""The least that could be called a signaling server on grpc.aio, to hold `warren signal` against.

It checks nothing, has no limits, drops nothing and never ends a stream: what it costs is what grpc.aio costs.
"""

import asyncio

import grpc

__all__: list[str] = []

OPTIONS = (
    ("grpc.server.max_pending_requests", 200_000),
    ("grpc.server.max_pending_requests_hard_limit", 400_000),
)


class Bare(grpc.GenericRpcHandler):
    """Hands what is published to the last one who subscribed to bytes 36 to 68 of it."""

    def __init__(self) -> None:
        self._queues: dict[bytes, asyncio.Queue[bytes]] = {}

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        """Find the method."""
        if handler_call_details.method.endswith("/Subscribe"):
            return grpc.unary_stream_rpc_method_handler(self._subscribe)
        return grpc.unary_unary_rpc_method_handler(self._publish)

    async def _subscribe(self, request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> None:
        queue = self._queues[request[2:34]] = asyncio.Queue()
        await context.write(b"")
        while True:
            await context.write(await queue.get())

    async def _publish(self, request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        self._queues[request[36:68]].put_nowait(request)
        return b""


async def _main() -> None:
    server = grpc.aio.server(handlers=(Bare(),), options=OPTIONS)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(_main())
