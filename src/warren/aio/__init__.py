"""warren on asyncio: the only package that knows sockets and the event loop."""
