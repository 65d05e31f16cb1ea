# lwipscope exercise: pool
import asyncio

from config import CLIENTS, PORT

taken = 0


async def serve(reader, writer):
    global taken
    if taken == CLIENTS:
        writer.close()
        await writer.wait_closed()
        return
    taken += 1
    while True:
        data = await reader.read(512)
        if not data:
            break
        writer.write(data)
        await writer.drain()
    taken -= 1
    writer.close()
    await writer.wait_closed()


async def main():
    server = await asyncio.start_server(serve, "0.0.0.0", PORT, backlog=4)
    await server.wait_closed()


asyncio.run(main())
