"""A receiver in a process of its own, so that it takes no time from whoever sends: it reads, counts and says 200.

Prints its port first. To a POST it says what Splunk says, which others do not read; to a PUT nothing, as S3; a GET
answers with how many requests and bytes of bodies there were.
"""

import asyncio

_SAID = {"POST": b'{"text":"Success","code":0}', "PUT": b""}


async def main() -> None:
    seen = {"requests": 0, "bytes": 0}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = 0
                for line in head.lower().split(b"\r\n"):
                    if line.startswith(b"content-length:"):
                        length = int(line.partition(b":")[2])
                if length:
                    await reader.readexactly(length)
                method = head.partition(b" ")[0].decode()
                if method == "GET":
                    body = f"{seen['requests']} {seen['bytes']}".encode()
                else:
                    body = _SAID[method]
                    seen["requests"] += 1
                    seen["bytes"] += length
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**20)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
