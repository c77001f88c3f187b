"""A chat server that answers everything after a fixed latency, in a process of its own: what a client is
measured against.

    with serve(latency=0.05, words=60, refused=0.05) as url: ...
"""

import asyncio
import json
import multiprocessing
import random
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection


class Answering(asyncio.Protocol):
    """HTTP/1.1 with connections that stay open: request bodies have a length, and nothing in them is read."""

    def __init__(self, latency: float, response: bytes, refused: float) -> None:
        self.latency = latency
        self.response = response
        self.refused = refused
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        while (head := self.received.partition(b"\r\n\r\n"))[1]:
            fields = [line.partition(b":") for line in head[0].lower().split(b"\r\n")]
            length = next((int(value) for name, _, value in fields if name == b"content-length"), 0)
            if len(head[2]) < length:
                return
            self.received = head[2][length:]
            answer = BUSY if random.random() < self.refused else self.response
            asyncio.get_running_loop().call_later(self.latency, self.transport.write, answer)


def http(status: str, payload: object) -> bytes:
    """A whole response."""
    body = json.dumps(payload).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


BUSY = http("429 Too Many Requests", {"error": {"message": "Rate limit reached", "type": "requests"}})


def response(words: int) -> bytes:
    """One answer, with the tokens it would have had."""
    message = {"role": "assistant", "content": " word" * words + ". The answer is 1."}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    usage = {"prompt_tokens": 60, "completion_tokens": words + 5, "total_tokens": words + 65}
    answer = {"id": "1", "object": "chat.completion", "created": 0, "model": "bench", "choices": [choice]}
    return http("200 OK", {**answer, "usage": usage})


async def listen(port: Connection, latency: float, words: int, refused: float) -> None:
    answer = response(words)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Answering(latency, answer, refused), "127.0.0.1", 0, backlog=1024
    )
    port.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def run_server(port: Connection, latency: float, words: int, refused: float) -> None:
    asyncio.run(listen(port, latency, words, refused))


@contextmanager
def serve(latency: float, words: int, refused: float = 0.0) -> Iterator[str]:
    """The address of a server that ends with the block. Latency in seconds; `refused`: the share of calls
    that it answers 429, at random.
    """
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=run_server, args=(there, latency, words, refused), daemon=True
    )
    process.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}/v1"
    finally:
        process.kill()
        process.join()
