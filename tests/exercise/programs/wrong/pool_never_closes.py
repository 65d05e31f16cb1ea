# lwipscope exercise: pool
import asyncio

from config import CLIENTS, PORT

taken = 0
kept = []


async def serve(reader, writer):
    global taken
    if taken == CLIENTS:
        writer.close()
        await writer.wait_closed()
        return
    taken += 1
    try:
        while True:
            data = await reader.read(512)
            if not data:
                break
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        taken -= 1
        kept.append(writer)


async def main():
    server = await asyncio.start_server(serve, "0.0.0.0", PORT, backlog=4)
    await server.wait_closed()


asyncio.run(main())
